"""Every error that the tool shows on purpose, and the table of exit codes.

The tree::

    HabariError            1 failed
      ConfigError          2 usage: wrong settings, all of them at once
      MissingTool          3 a program is not on this machine
      CommandFailed        1 a program ended with an error
      NotReady             4 something did not come up
      PortTaken            1 somebody else listens there
      NotRunning           1 the platform is not up
      Busy                 1 another habari-local works in this checkout

A message is one sentence: *Subject: what is wrong*, and what was expected where that helps. The
hint is one command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

FAILED, USAGE, MISSING_TOOL, NOT_READY, INCOMPLETE, INTERRUPTED = 1, 2, 3, 4, 5, 130


def pasteable(*words: object) -> str:
    """Return a command that can be pasted, whatever letters its paths have."""
    return shlex.join(map(str, words))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of `known` that a slip of the pen made into `name`; "" if none is near."""
    import difflib

    plain = {each.lower().replace("_", "-"): each for each in known}
    found = difflib.get_close_matches(name.lower().replace("_", "-"), plain, 1)
    return plain[found[0]] if found else ""


class HabariError(Exception):
    """An error with a sentence for a person, one command to try, and an exit code."""

    def __init__(
        self, message: str, hint: str, code: int = FAILED, details: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.details = tuple(details)


class ConfigError(HabariError):
    """Settings that can't be used; `problems` has one sentence for each."""

    def __init__(self, problems: Sequence[str], hint: str = "cat .env.dist") -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"Settings: {count} found.", hint, USAGE, [f"- {p}" for p in problems])
        self.problems = tuple(problems)


class MissingTool(HabariError):
    """A program that the wanted mode needs is not on this machine."""

    def __init__(self, tool: str, why: str, install: str) -> None:
        super().__init__(f"{tool}: not found on this machine, needed {why}.", install, MISSING_TOOL)
        self.tool = tool


class CommandFailed(HabariError):
    """A program ended with an error: a pasteable command, its exit code, its last output.

    `cause` says why, where the output told it.
    """

    def __init__(
        self, argv: Sequence[str], code: int, output: str, hint: str = "", cause: str = ""
    ) -> None:
        self.argv = tuple(argv)
        self.returncode = code
        self.output = output
        command = shlex.join(argv)
        seen = f"{cause} (exit code {code})" if cause else f"ended with exit code {code}"
        super().__init__(
            f"{argv[0].rsplit('/', 1)[-1]}: {seen}.",
            hint or command,
            FAILED,
            [f"$ {command}", *output.rstrip().splitlines()[-20:]],
        )


class NotReady(HabariError):
    """Something did not come up: what, after how long, its last state and its last log lines."""

    def __init__(
        self, what: str, seconds: float, state: str, log: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(
            f"{what}: {state} after {seconds:.1f} s.",
            hint or "habari-local logs",
            NOT_READY,
            log,
        )


class PortTaken(HabariError):
    """A port that a service needs is held by somebody else; `hint` moves it to a free one."""

    def __init__(self, port: int, service: str, owner: str, hint: str) -> None:
        super().__init__(f"Port {port} ({service}): held by {owner}, expected to be free.", hint)
        self.port = port
        self.owner = owner


class NotRunning(HabariError):
    """A command that needs the platform was given while it is down."""

    def __init__(self, what: str = "Habari", mode: str | None = None) -> None:
        up = f"habari-local up --mode {mode}" if mode else "habari-local up"
        super().__init__(f"{what}: not running.", up)


class Busy(HabariError):
    """Another habari-local holds this checkout."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"This checkout is in use by {owner}.",
            "wait until it ends, then repeat the command",
        )


class Cancelled(Exception):
    """The person at the keyboard asked to stop."""
