"""The life cycle with a mode made for the test: order, failure, roll-back, Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from habari_local import active_mode, lifecycle
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.checkout import checkout_lock
from habari_local.core.errors import Busy, Cancelled, HabariError
from habari_local.core.paths import Checkout
from habari_local.images.build import Task
from habari_local.images.catalogue import Image
from habari_local.platform import scheduler
from habari_local.platform.mode import UNCHANGED, Context, DownResult, Mode, Progress, Step


class Sketch:
    """A mode that only records."""

    name = "process"  # active_mode.py looks for known names
    summary = "for a test"
    notes = ()

    def __init__(self, steps: list[Step]) -> None:
        self.made = steps

    def requirements(self) -> tuple[()]:
        return ()

    def check(self, ctx: Context) -> None:
        return

    def steps(self, ctx: Context) -> list[Step]:
        return self.made

    def data(self, ctx: Context) -> tuple[()]:
        return ()

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        return DownResult((), ())


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(Checkout(tmp_path), Settings(), Secrets(), {})


def as_mode(sketch: Sketch) -> Mode:
    return sketch  # type: ignore[return-value]


def step(
    name: str, log: list[str], action: Callable[[Context], str] | None = None, *after: str
) -> Step:
    def run(ctx: Context, say: Progress) -> str:
        log.append(name)
        return action(ctx) if action else "done"

    def undo(ctx: Context) -> str | None:
        log.append(f"undo {name}")
        return "a: as it was before." if name == "a" else None

    return Step(name, name, run, after, undo)


def test_steps_run_after_those_they_name_and_side_by_side_otherwise(ctx: Context) -> None:
    together = threading.Barrier(2, timeout=5)

    def meet(_: Context) -> str:
        together.wait()
        return "met"

    log: list[str] = []
    steps = [step("last", log, None, "a", "b"), step("a", log, meet), step("b", log, meet)]
    assert lifecycle.up(as_mode(Sketch(steps)), ctx)
    assert log[-1] == "last"
    assert active_mode.active_mode(ctx.checkout) == "process"


def test_nothing_done_is_said(ctx: Context) -> None:
    steps = [step("a", [], lambda _: UNCHANGED)]
    assert not lifecycle.up(as_mode(Sketch(steps)), ctx)


def test_a_failure_ends_the_others_and_everything_is_undone(ctx: Context) -> None:
    log: list[str] = []

    def fail(_: Context) -> str:
        raise HabariError("b: broken.", "fix b")

    def wait_for_the_end(ctx: Context) -> str:
        assert ctx.cancel.wait(5)
        raise Cancelled

    steps = [step("a", log, wait_for_the_end), step("b", log, fail), step("c", log, None, "a")]
    with pytest.raises(HabariError, match="b: broken") as told:
        lifecycle.up(as_mode(Sketch(steps)), ctx)
    assert told.value.details == ("a: as it was before.",)
    assert sorted(log[:2]) == ["a", "b"]
    assert log[2:] == ["undo c", "undo b", "undo a"]
    assert active_mode.active_mode(ctx.checkout) is None


def test_keep_leaves_everything(ctx: Context) -> None:
    log: list[str] = []

    def fail(_: Context) -> str:
        raise HabariError("b: broken.", "fix b")

    with pytest.raises(HabariError):
        lifecycle.up(as_mode(Sketch([step("b", log, fail)])), ctx, keep=True)
    assert log == ["b"]
    assert active_mode.active_mode(ctx.checkout) == "process"


def test_a_bug_in_a_step_is_raised_as_it_is(ctx: Context) -> None:
    with pytest.raises(ZeroDivisionError):
        lifecycle.up(as_mode(Sketch([step("a", [], lambda _: str(1 // 0))])), ctx)


def test_the_second_at_once_is_told_who_is_at_work(ctx: Context) -> None:
    with (
        checkout_lock(ctx.checkout.state, "up --mode process"),
        pytest.raises(Busy, match=r"habari-local up --mode process \(pid \d+\)"),
    ):
        lifecycle.up(as_mode(Sketch([])), ctx)
    lifecycle.up(as_mode(Sketch([])), ctx)


def test_another_mode_must_go_down_first(ctx: Context) -> None:
    active_mode.remember(ctx, "process")
    sketch = Sketch([])
    sketch.name = "other"
    with pytest.raises(HabariError, match="Mode process is up in this checkout"):
        lifecycle.up(as_mode(sketch), ctx)


def test_a_step_that_waits_ends_soon_after_a_failure(ctx: Context) -> None:
    from habari_local.core import polling

    def endless(ctx: Context) -> str:
        polling.wait_until(lambda: False, "it", seconds=60, cancel=ctx.cancel)
        return "never"

    def fail(_: Context) -> str:
        raise HabariError("b: broken.", "fix b")

    began = time.monotonic()
    with pytest.raises(HabariError, match="broken"):
        lifecycle.up(as_mode(Sketch([step("a", [], endless), step("b", [], fail)])), ctx)
    assert time.monotonic() - began < 5


def test_a_step_that_was_cancelled_is_no_success(ctx: Context) -> None:
    def stop(_: Context) -> str:
        raise Cancelled

    with pytest.raises(Cancelled):
        lifecycle.up(as_mode(Sketch([step("one", [], stop)])), ctx)


def test_what_failed_is_told_though_others_were_cancelled_before(ctx: Context) -> None:
    """The images of a mode are made side by side: the one that can't be had ends the rest."""
    began = threading.Event()

    def waits(_say: object, cancel: threading.Event | None) -> str:
        began.set()
        assert cancel
        assert cancel.wait(10)
        raise Cancelled

    def fails(_say: object, _cancel: threading.Event | None) -> str:
        assert began.wait(10)
        raise HabariError("Image two: refused.", "habari-local image list")

    made = [
        Task(Image(name, ""), name, (), perform)
        for name, perform in (("one", waits), ("two", fails))
    ]
    with pytest.raises(HabariError, match="refused"):
        scheduler.run_tasks(made, ctx, lambda _: None)
