"""`up --watch`: edits of the checkout have what runs follow, one action for each burst of them."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from habari_local import active_mode, lifecycle
from habari_local.core import polling
from habari_local.core.checkout import checkout_lock, is_locked
from habari_local.core.console import PlainBoard, to_stderr
from habari_local.core.errors import Busy, HabariError
from habari_local.core.paths import Checkout, private_folder
from habari_local.core.python_error import syntax_error
from habari_local.platform.mode import UNCHANGED, Context, Mode, SupportsWatch

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

ROOT_FILES = (".env", "config.yaml", "config.dist.yaml")
LEFT_OUT = frozenset({"tests", "compare"})  # folders of tests are part of nothing that runs
JOIN_SECONDS = 5.0  # for a thread to see that the watch is over, which it looks for every QUIET_MS
QUIET_MS = 60  # without an edit, after which a burst is over
BURST_MS = 1500  # after which one is acted on that does not end
OTHERS_SECONDS = 900.0  # that another habari-local may have the checkout before an edit is given up
# What a step returns that has only waited: the step before it has said what was done.
WAITED = frozenset({UNCHANGED, "answers", "runs", "connected", "not waited for"})
NOTHING = "nothing that runs is made from it"
SHOWN = 3  # files that are named, of those that were edited at once
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Watch:
    """The watch of one checkout, from before the bring-up on: an edit during it is not missed."""

    def __init__(self, mode: Mode, ctx: Context, flags: Mapping[str, str]) -> None:
        """Begin to watch.

        Raises:
            HabariError: this checkout is watched already.
        """
        self._name, self._flags = mode.name, dict(flags)
        self._root = ctx.checkout.root
        self._edits: queue.Queue[set[Path]] = queue.Queue()
        self._over = threading.Event()
        self._held = ExitStack()
        self._pending: set[Path] = set()  # edits that are not in effect yet
        self._outdated: set[str] = set()
        self._asked_to_end = False
        try:
            place = private_folder(ctx.checkout.state / "watch")
            self._held.enter_context(checkout_lock(place, "up --watch"))
        except Busy as error:
            raise HabariError(
                f"{error.message.removesuffix('.')}, which follows every edit already.",
                "habari-local status",
            ) from error
        watched = mode.watched if isinstance(mode, SupportsWatch) else ()
        self._folders = [self._root / name for name in watched if (self._root / name).is_dir()]
        for paths, recursive in (([self._root], False), (self._folders, True)):
            watcher = _watcher(paths, recursive=recursive)
            following = threading.Thread(
                target=self._follow, args=(watcher, recursive), daemon=True
            )
            following.start()
            self._held.callback(following.join, JOIN_SECONDS)

    def close(self) -> None:
        """End the watch; what runs is left as it is.

        Python aborts where it ends while the backend's Rust still runs in a thread.
        """
        self._over.set()
        self._held.close()

    def lines(self) -> Iterator[str]:
        """Yield what was done about each burst of edits, until Ctrl-C or until `down` was run."""
        names = [*(f"{path.relative_to(self._root)}/" for path in self._folders), *ROOT_FILES[:2]]
        try:
            yield f"\nWatching {', '.join(names)}. Ctrl-C ends the watch; Habari stays up."
            while not self._asked_to_end:
                edited = self._edits.get()
                if active_mode.active_mode(Checkout(self._root)) != self._name:
                    yield f"Mode {self._name} is not up any more; the watch ends."
                    return
                yield from self._act(edited)
        finally:
            self.close()

    def _follow(self, watcher: RustNotify, recursive: bool) -> None:
        """Put each burst of edits into the queue, until the end of the watch."""
        from watchfiles import Change, DefaultFilter

        kept = DefaultFilter()  # without what editors, Git and Python write beside a file
        while not isinstance(burst := watcher.watch(BURST_MS, QUIET_MS, 0, self._over), str):
            found = {Path(path) for change, path in burst if kept(Change(change), path)}
            found = {path for path in found if self._concerns(path, recursive=recursive)}
            if found:
                self._edits.put(found)
        watcher.close()

    def _concerns(self, path: Path, *, recursive: bool) -> bool:
        if not recursive:
            return path.parent == self._root and path.name in ROOT_FILES
        return LEFT_OUT.isdisjoint(path.relative_to(self._root).parts) and not path.is_dir()

    def _act(self, edited: set[Path]) -> Iterator[str]:
        """Have what runs follow the edits, and those before them that were broken."""
        saved = _saved(edited)
        while not self._edits.empty():
            edited |= self._edits.get()
        self._pending |= edited
        shown = self._shown(edited)
        named = ((path, str(path.relative_to(self._root))) for path in sorted(self._pending))
        broken = [said for path, name in named if (said := syntax_error(path, name))]
        if broken:
            yield f"{'; '.join(broken)}. Not in effect: what runs stays as it was."
            return
        try:
            with self._uninterrupted():
                mode, ctx, done = self._bring_up()
        except HabariError as error:
            yield from (*error.details, f"{shown}: not in effect. {error.message}")
            return
        self._pending.clear()
        yield f"{shown}: {done}, in effect after {time.time() - saved:.1f} s"
        if done != NOTHING:
            yield from self._servers(mode, ctx)

    def _bring_up(self) -> tuple[Mode, Context, str]:
        """Do what the edits need; return it in words."""
        mode, ctx = active_mode.from_settings(self._name, self._flags)
        quick = mode.follow(ctx, self._pending) if isinstance(mode, SupportsWatch) else None
        if quick:
            return mode, ctx, quick
        board = _Outcomes()
        try:
            lifecycle.up(mode, ctx, keep=True, show=board.begin)
        except Busy as error:
            to_stderr(f"{error.message} The edit takes effect after that.")
            polling.wait_until(
                lambda: not is_locked(ctx.checkout.state), "Checkout", seconds=OTHERS_SECONDS
            )
            lifecycle.up(mode, ctx, keep=True, show=board.begin)
        return mode, active_mode.current(self._name)[1], board.in_words()

    def _servers(self, mode: Mode, ctx: Context) -> Iterator[str]:
        """Yield whose servers run an old image since the edit."""
        found = {row.user for row in mode.status(ctx) if row.outdated}
        new, self._outdated = sorted(found - self._outdated), found
        if new:
            again = f"habari-local restart {new[0]}"
            yield f"  on the old image until it is restarted: server of {', '.join(new)} ({again})"

    def _shown(self, edited: set[Path]) -> str:
        names = sorted(str(path.relative_to(self._root)) for path in edited)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"{', '.join(names[:SHOWN])}{more}"

    @contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Let what is being done end before Ctrl-C ends the watch; a second one ends it too."""

        def once(_signal: int, _frame: FrameType | None) -> None:
            if self._asked_to_end:
                to_stderr("Stopped halfway; `habari-local up` completes it.")
                raise KeyboardInterrupt
            self._asked_to_end = True
            to_stderr("The watch ends after this; Ctrl-C again stops it halfway.")

        before = [signal.signal(each, once) for each in SIGNALS]
        try:
            yield
        finally:
            for each, handler in zip(SIGNALS, before, strict=True):
                signal.signal(each, handler)


class _Outcomes(PlainBoard):
    """A board that shows long waits alone, and keeps how the steps ended."""

    def __init__(self) -> None:
        super().__init__((), to_stderr)
        self._done: dict[int, str] = {}

    def begin(self, titles: Sequence[str]) -> _Outcomes:
        """Begin a bring-up of these steps."""
        self.titles = titles
        self._done.clear()
        return self

    def ends(self, number: int, outcome: str, *, good: bool) -> None:
        """Keep how a step ended."""
        if good and outcome not in WAITED:
            self._done[number] = f"{self.titles[number]}: {outcome}"

    def in_words(self) -> str:
        """Return what was done."""
        done = [self._done[number] for number in sorted(self._done)]
        return "; ".join(done) or NOTHING


def _watcher(paths: Sequence[Path], *, recursive: bool) -> RustNotify:
    """Have the kernel tell of edits, from when this returns.

    That is why it is watchfiles' backend and not its `watch`, which begins when it is iterated.
    """
    from watchfiles._rust_notify import RustNotify

    return RustNotify([str(path) for path in paths], False, False, 0, recursive, True)


def _saved(edited: set[Path]) -> float:
    """Return when the first file of a burst was saved, in seconds since the epoch.

    By the clock of the file system, which has seen it first, where that can be: a file that was
    moved here has an older time.
    """
    now = time.time()
    times = [path.stat().st_mtime for path in edited if path.is_file()]
    recent = [each for each in times if now - (BURST_MS + QUIET_MS) / 1000 - 1 < each <= now]
    return min(recent, default=now)
