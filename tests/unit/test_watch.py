"""`up --watch`: what is one action, and what an edit that can't take effect leaves to do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from habari_local import active_mode, lifecycle, modes
from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core.console import PlainBoard
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.modes import nohub
from habari_local.platform.mode import Context, Mode
from habari_local.watch import Watch

MODE = modes.get("process")
BringUp = Callable[[], str]


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    for name in ("hub", "jupyter"):
        (tmp_path / name).mkdir()
    checkout = Checkout(tmp_path)
    return Context(checkout, Settings(), load_secrets(checkout.state), {})


@pytest.fixture
def left(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> list[BringUp]:
    """What the next bring-ups do; the platform counts as up while there is one to come."""
    left: list[BringUp] = []

    def up(_mode: Mode, _ctx: Context, *, keep: bool, show: Callable[..., PlainBoard]) -> bool:
        assert keep, "what runs must outlive an edit that is broken"
        board = show(["JupyterHub"])
        board.ends(0, left.pop(0)(), good=True)
        return True

    monkeypatch.setattr(lifecycle, "up", up)
    monkeypatch.setattr(MODE, "status", lambda _: ())
    monkeypatch.setattr(active_mode, "from_settings", lambda *_, **__: (MODE, ctx))
    monkeypatch.setattr(active_mode, "current", lambda *_, **__: (MODE, ctx))
    monkeypatch.setattr(active_mode, "active_mode", lambda _: "process" if left else None)
    return left


def fails() -> str:
    raise HabariError("Image hub: line 3 failed.", "x", 1, ["its log"])


def test_edits_at_once_are_one_action_and_a_broken_one_waits_for_the_next(
    ctx: Context, left: list[BringUp]
) -> None:
    left += [lambda: "restarted", fails, lambda: "restarted again", lambda: "never"]
    watch = Watch(MODE, ctx, {})
    said = watch.lines()
    assert next(said).startswith("\nWatching hub/, jupyter/")
    hub = ctx.checkout.root / "hub"
    for name in "abcdef":
        (hub / f"{name}.py").write_text("x = 1\n")
    line = next(said)
    assert line.startswith("hub/a.py, hub/b.py, hub/c.py and 3 more: JupyterHub: restarted, in")
    (hub / "a.py").write_text("x = = 1\n")
    assert next(said).startswith("hub/a.py, line 1: invalid syntax. Not in effect")
    (hub / "b.py").write_text("x = 2\n")
    assert next(said).startswith("hub/a.py, line 1: invalid syntax."), "it is broken still"
    (hub / "a.py").write_text("x = 2\n")
    assert [next(said), next(said)] == [
        "its log",
        "hub/a.py: not in effect. Image hub: line 3 failed.",
    ]
    (ctx.checkout.root / ".env").write_text("HABARI_CULL_AFTER=1\n")
    assert next(said).startswith(".env: JupyterHub: restarted again, in effect after")
    left.clear()
    (hub / "a.py").write_text("x = 3\n")
    assert list(said) == ["Mode process is not up any more; the watch ends."]


def test_a_second_watch_is_refused_and_the_end_of_the_first_lets_it(ctx: Context) -> None:
    first = Watch(MODE, ctx, {})
    with pytest.raises(HabariError, match=r"up --watch .pid .* follows every edit already"):
        Watch(MODE, ctx, {})
    first.close()
    Watch(MODE, ctx, {}).close()


@pytest.mark.parametrize(
    ("edited", "restarts"),
    [
        (["habari_contents/habari_contents/errors.py", "jupyter_server_config.py"], True),
        (["habari_contents/habari_contents/errors.py", "requirements.txt"], False),
        (["Dockerfile"], False),
    ],
)
def test_nohub_restarts_for_what_is_mounted_alone(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, edited: Collection[str], restarts: bool
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(nohub.MODE, "restart", lambda _, service: ended.append(service))
    monkeypatch.setattr("habari_local.core.polling.http_ok", lambda _: True)
    paths = {ctx.checkout.root / "jupyter" / name for name in edited}
    assert bool(nohub.MODE.follow(ctx, paths)) is restarts
    assert ended == (["notebook"] if restarts else [])
