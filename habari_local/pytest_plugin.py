"""For pytest in any project: fixtures of a platform that is brought up once for a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from habari_local.platform.mode import Context, Endpoints, Mode

NOTE = "habari-local: a pytest session"


@dataclass(frozen=True)
class User:
    """A user whose server runs; `web` is a requests.Session that carries their token."""

    name: str
    url: str  # of their server, with a slash at its end
    web: Any


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which platform, and whether it stays."""
    group = parser.getgroup("habari-local", "the platform behind the fixtures of habari-local")
    group.addoption("--habari-mode", metavar="MODE", help="as `habari-local up --mode MODE`")
    group.addoption(
        "--habari-user", metavar="LOGIN", help="who `habari_user` is; must be allowed to sign in"
    )
    group.addoption("--habari-checkout", metavar="PATH", help="as `habari-local --checkout PATH`")
    group.addoption("--habari-keep", action="store_true", help="leave it up after the session")


@pytest.fixture(scope="session")
def habari(pytestconfig: pytest.Config) -> Iterator[Endpoints]:
    """Where everything of a running platform is; one that was down is taken down at the end."""
    from habari_local import active_mode

    with ExitStack() as platform:
        with _told():
            _choose_checkout(pytestconfig.getoption("--habari-checkout"))
            chosen, ctx = active_mode.from_settings(pytestconfig.getoption("--habari-mode"), {})
            there = platform.enter_context(_platform(pytestconfig, chosen, ctx))
        yield chosen.endpoints(there)


@pytest.fixture(scope="session")
def habari_user(pytestconfig: pytest.Config, habari: Endpoints) -> Iterator[User]:
    """A user with a running server, which is stopped at the end unless it ran before."""
    from habari_local.drills.hub_user import HubUser
    from habari_local.drivers.jupyterhub import HubClient

    hub, runs = HubClient(habari.hub_url, habari.hub_api_token), True
    name = pytestconfig.getoption("--habari-user") or _first(habari)
    with _told():
        if habari.hub:
            hub.ensure(name)
            runs = hub.runs(name)
            hub.start(name)
        person = HubUser(habari, name, NOTE)
    yield User(name, person.url.removesuffix("api/contents"), person.web)
    person.leave()
    if not runs:
        hub.stop(name)
    hub.close()


def _choose_checkout(named: str | None) -> None:
    """Choose the checkout that is named, or the one of this folder; else the one installed."""
    from habari_local.config.load import named_checkout
    from habari_local.core import paths

    paths.choose(Path(named) if named else named_checkout())
    if paths.chosen() is None and not paths.in_checkout():
        paths.choose(paths.code_checkout())


def _first(habari: Endpoints) -> str:
    return next(iter([*habari.users["allowed"], *habari.users["admin"]]), "jovyan")


@contextmanager
def _platform(config: pytest.Config, mode: Mode, ctx: Context) -> Iterator[Context]:
    """Have it up for the block, brought up in view: its waits must not wait in pytest's capture.

    Raises:
        HabariError: what kept it from coming up, or that another worker of xdist would end it.
    """
    from habari_local import active_mode, lifecycle
    from habari_local.core.errors import HabariError

    if "PYTEST_XDIST_WORKER" in ctx.environ:
        if active_mode.active_mode(ctx.checkout) != mode.name:
            raise HabariError(
                "Platform: down; with several workers, bring it up first.",
                f"habari-local up --mode {mode.name}",
            )
        yield active_mode.current(mode.name)[1]
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as platform:
        with capture.global_and_fixture_disabled():
            keep = config.getoption("--habari-keep")
            there = platform.enter_context(lifecycle.running_platform(mode, ctx, keep=keep))
        yield there


@contextmanager
def _told() -> Iterator[None]:
    """Fail with the sentence and what to try, as the command line does."""
    from habari_local.core.errors import HabariError

    try:
        yield
    except HabariError as error:
        pytest.fail("\n".join((*error.details, error.message, f"Try: {error.hint}")), pytrace=False)
