"""The end-to-end suite: a deployment's endpoints in, a verdict and a report out.

    habari-local endpoints > endpoints.json
    pytest tests/e2e --endpoints endpoints.json

It knows the endpoints and nothing else, so it runs against whatever they describe: what
`habari-local up` started, or a cluster that others use too. All that it makes has the run's name
(`e2e-…`) in it and is removed at the end, and it stops only those servers that it started.

**Add a check.** A capability is a file `test_<capability>.py`; its docstring's first line is the
capability's title in the report, and the first line of a test's docstring is the check's sentence:
write what must hold. Take what you need as fixtures of this file (`server` and `other_server` are
two users' running servers, `person_of(login)` is a session of its own, `page_of(login)` a tab of a
real browser) and make names with `run_id`. Don't sleep: follow the progress of what you wait for,
or use `waiting.until`. `collector.timed("step")` puts a step into the report's chart,
`collector.show(page, "caption")` a picture.

**Add a case that is a notebook.** Put it into `tests/e2e/notebooks/` with the outputs it must give:
that is all. `test_cases.py` says what is compared.

**Leave a check out of a mode.** Only with a reason, in `not-applicable.toml`. With pytest's own
`--strict`, any other skip is a failure.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page

from . import browser, s3_client
from . import endpoints as endpoints_module
from .collector import Collector
from .endpoints import Endpoints
from .hub_client import Hub, Person, session_of, whoever_has_the_token
from .not_applicable import not_applicable
from .server_client import Server
from .web import past_proxies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HERE = Path(__file__).parent
COLLECTOR = pytest.StashKey[Collector]()
ENDPOINTS = pytest.StashKey[Endpoints]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this suite."""
    group = parser.getgroup("habari", "the deployment under test and the report")
    group.addoption("--endpoints", metavar="FILE", help="endpoints of the deployment; - reads them")
    group.addoption("--report", metavar="DIR", default=".habari/report", help="the report's folder")
    group.addoption("--docs-screenshots", metavar="DIR", help="make the documentation's pictures")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the endpoints and start collecting, before the JUnit writer asks for its file."""
    source = endpoints_module.source_of(config.getoption("--endpoints", default=None))
    if source is None:
        if any(_is_ours(argument.partition("::")[0]) for argument in config.args):
            raise pytest.UsageError(
                "End-to-end suite: no endpoints given, expected those of a running deployment.\n"
                "Try: habari-local endpoints | pytest tests/e2e --endpoints -"
            )
        return
    found = endpoints_module.read(source, config)
    folder = Path(config.getoption("--report"))
    collector = Collector(found, folder, source, bool(config.getini("strict")))
    config.stash[ENDPOINTS], config.stash[COLLECTOR] = found, collector
    config.pluginmanager.register(collector, "habari-collector")
    past_proxies()
    if not config.option.xmlpath:
        config.option.xmlpath = str(folder / f"junit-{found.mode}.xml")


def _is_ours(path: str | Path) -> bool:
    return Path(path).resolve().is_relative_to(HERE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without endpoints there is nothing to test: stay out of the way of other tests."""
    return True if COLLECTOR not in config.stash and _is_ours(collection_path) else None


@pytest.fixture(scope="session")
def collector(pytestconfig: pytest.Config) -> Collector:
    """The report under way: timings, versions, pictures."""
    return pytestconfig.stash[COLLECTOR]


@pytest.fixture(scope="session")
def endpoints(pytestconfig: pytest.Config) -> Endpoints:
    """What is known of the deployment."""
    return pytestconfig.stash[ENDPOINTS]


@pytest.fixture(scope="session")
def run_id() -> str:
    """The name that everything made by this run carries."""
    return f"e2e-{token_hex(4)}"


@pytest.fixture(scope="session")
def hub(endpoints: Endpoints) -> Iterator[Hub]:
    """The hub through the service's token."""
    client = Hub(endpoints)
    yield client
    client.web.close()


@pytest.fixture(scope="session")
def s3(endpoints: Endpoints) -> Iterator["S3Client"]:
    """S3 as somebody outside sees it, with the key that servers have."""
    client = s3_client.connect(endpoints)
    yield client
    client.close()


@pytest.fixture(scope="session")
def lake(s3: "S3Client", endpoints: Endpoints, run_id: str) -> Iterator[s3_client.Bucket]:
    """The lake, seen from outside."""
    bucket = s3_client.Bucket(s3, endpoints.s3.lake_bucket)
    yield bucket
    bucket.delete_all(f"{run_id}/")


@pytest.fixture(scope="session")
def notebooks(s3: "S3Client", endpoints: Endpoints, run_id: str) -> Iterator[s3_client.Bucket]:
    """The bucket of notebooks, seen from outside."""
    bucket = s3_client.Bucket(s3, endpoints.s3.notebooks_bucket)
    yield bucket
    bucket.delete_all(f"{run_id}/")


@pytest.fixture(scope="session")
def person_of(hub: Hub, run_id: str) -> Iterator[Callable[[str], Person]]:
    """Gives a user's session by login, signed in when first asked for."""
    with ExitStack() as leaving:
        people: dict[str, Person] = {}

        def person(login: str) -> Person:
            if login not in people:
                people[login] = leaving.enter_context(session_of(hub, login, run_id))
            return people[login]

        yield person


@pytest.fixture(scope="session")
def servers(
    endpoints: Endpoints,
    hub: Hub,
    person_of: Callable[[str], Person],
    collector: Collector,
    run_id: str,
    lake: s3_client.Bucket,
    notebooks: s3_client.Bucket,
) -> Iterator[list[Server]]:
    """Running servers of two allowed users, started at the same time; without a hub the one."""
    if not endpoints.has_hub:
        alone = Server(whoever_has_the_token(endpoints), endpoints.hub)
        yield [alone]
        _tidy(alone, run_id)
        alone.person.web.close()
        return
    people = [person_of(login) for login in endpoints.users.allowed[:2]]
    were_running = {person.name for person in people if hub.has_server(person.name)}
    with collector.timed("Two servers at once"), ThreadPoolExecutor(len(people)) as both:
        urls = list(both.map(Person.start_server, people))
    running = [Server(person, url) for person, url in zip(people, urls, strict=True)]
    for server in running:
        server.enter()
    lab = re.search(r'"appVersion": *"([^"]+)"', running[0].web.get(f"{running[0].url}lab").text)
    collector.run.versions |= {"JupyterLab": lab[1]} if lab else {}
    yield running

    def leave(server: Server) -> None:
        _tidy(server, run_id)
        if server.person.name not in were_running:
            server.person.stop_server()

    with ThreadPoolExecutor(len(people)) as both:
        list(both.map(leave, running))


def _tidy(server: Server, run_id: str) -> None:
    for folder in (f"notebooks/{run_id}", f"lake/{run_id}", run_id):
        server.delete_all(folder)


@pytest.fixture(scope="session")
def server(servers: list[Server]) -> Server:
    """The running server of an allowed user."""
    return servers[0]


@pytest.fixture(scope="session")
def other_server(servers: list[Server]) -> Server:
    """The running server of another allowed user."""
    return servers[1]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser."""
    with browser.launched() as started:
        yield started


@pytest.fixture(scope="session")
def tabs(chromium: Browser) -> Iterator[dict[str, browser.Tab]]:
    """Tabs by login, each in a profile of its own, so that a user signs in once."""
    opened: dict[str, browser.Tab] = {}
    yield opened
    for tab in opened.values():
        tab.profile.close()


@pytest.fixture
def page_of(
    chromium: Browser, tabs: dict[str, browser.Tab], endpoints: Endpoints, collector: Collector
) -> Iterator[Callable[[str], Page]]:
    """Gives a user's tab by login, as the last check left it; signed in by the real pages."""
    if endpoints.github is None and endpoints.has_hub:
        not_applicable("real-github")
    with ExitStack() as closing:

        def page(login: str) -> Page:
            first = login not in tabs
            if first:
                profile = browser.new_profile(chromium)
                tabs[login] = browser.Tab(profile, profile.new_page())
            tab = tabs[login]
            if tab.page.is_closed():
                tab.page = tab.profile.new_page()
            shown = closing.enter_context(tab.recorded())
            collector.evidence.pages.append(shown)
            closing.callback(collector.evidence.pages.remove, shown)
            if first:
                with collector.timed("Sign in, in the browser"):
                    browser.sign_in(shown, endpoints, login)
            return shown

        yield page
