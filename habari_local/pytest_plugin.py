"""For pytest in any project: fixtures of a platform that is brought up once for a session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from habari_local.modes.base import Context, Endpoints, Mode

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
    group.addoption("--habari-user", metavar="LOGIN", help="who `habari_user` is; one who may in")
    group.addoption("--habari-keep", action="store_true", help="leave it up after the session")


@pytest.fixture(scope="session")
def habari(pytestconfig: pytest.Config) -> Iterator[Endpoints]:
    """Where everything of a running platform is; one that was down is taken down at the end."""
    from habari_local import active, lifecycle

    with _told():
        chosen, ctx = active.fresh(pytestconfig.getoption("--habari-mode"), {})
        was_up = active.active_mode(ctx.checkout) == chosen.name
        _bring_up(pytestconfig, chosen, ctx, was_up=was_up)
        chosen, ctx = active.current(chosen.name)
    yield chosen.endpoints(ctx)
    if not was_up and not pytestconfig.getoption("--habari-keep"):
        lifecycle.down(chosen, ctx)


@pytest.fixture(scope="session")
def habari_user(pytestconfig: pytest.Config, habari: Endpoints) -> Iterator[User]:
    """A user with a running server, which is stopped at the end unless it ran before."""
    from habari_local.drills.people import Hub, Person

    hub, runs = Hub(habari), True
    name = pytestconfig.getoption("--habari-user") or _first(habari)
    with _told():
        if habari.hub:
            hub.ensure(name)
            runs = hub.runs(name)
            hub.start(name)
        person = Person(habari, name, NOTE)
    yield User(name, person.url.removesuffix("api/contents"), person.web)
    person.leave()
    if not runs:
        hub.stop(name)
    hub.close()


def _first(habari: Endpoints) -> str:
    return next(iter([*habari.users["allowed"], *habari.users["admin"]]), "jovyan")


def _bring_up(config: pytest.Config, mode: Mode, ctx: Context, *, was_up: bool) -> None:
    """Bring it up in view: what it waits for must not wait in pytest's capture.

    Raises:
        HabariError: what kept it from coming up, or that another worker of xdist would end it.
    """
    from habari_local import lifecycle
    from habari_local.errors import HabariError

    if "PYTEST_XDIST_WORKER" in ctx.environ:
        if was_up:
            return
        raise HabariError(
            "Platform: down, with several workers it was expected to be up before.",
            f"habari-local up --mode {mode.name}",
        )
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        lifecycle.up(mode, ctx)


@contextmanager
def _told() -> Iterator[None]:
    """Fail with the sentence and what to try, as the command line does."""
    from habari_local.errors import HabariError

    try:
        yield
    except HabariError as error:
        pytest.fail("\n".join((*error.details, error.message, f"Try: {error.hint}")), pytrace=False)
