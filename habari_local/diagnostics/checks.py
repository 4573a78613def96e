"""Requirements of the modes: what is needed, what was found, the command that mends it."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from habari_local.errors import MISSING_TOOL, HabariError
from habari_local.run import run


@dataclass(frozen=True)
class Finding:
    """What was found of a requirement; `mend` where the requirement's own does not fit."""

    found: str
    good: bool
    mend: str = ""


@dataclass(frozen=True)
class Requirement:
    """Something that must be on the machine, and how to see and mend it."""

    name: str
    needed: str
    mend: str
    check: Callable[[Mapping[str, str]], Finding]
    optional: bool = False


def version_of(program: str, *arguments: str) -> Callable[[Mapping[str, str]], str | None]:
    """Return a check's first half: the version that `program` prints, None if it isn't there."""

    def read(env: Mapping[str, str]) -> str | None:
        path = shutil.which(program, path=env.get("PATH"))
        if path is None:
            return None
        try:
            output = run([path, *arguments], env=env).output
        except HabariError:
            return "broken"
        match = re.search(r"\d+(\.\d+)+", output)
        return match.group() if match else "unknown version"

    return read


def at_least(
    read: Callable[[Mapping[str, str]], str | None], least: tuple[int, ...]
) -> Callable[[Mapping[str, str]], Finding]:
    """Return a check that the version is `least` or newer."""

    def check(env: Mapping[str, str]) -> Finding:
        version = read(env)
        if version is None:
            return Finding("not found", good=False)
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[: len(least)])
        return Finding(version, good=numbers >= least)

    return check


def refuse_lacking(needed: Sequence[Requirement], env: Mapping[str, str]) -> None:
    """Refuse what can't succeed without these.

    Raises:
        HabariError: the first that is missing, with the command that mends it; exit code 3.
    """
    with ThreadPoolExecutor(len(needed)) as pool:  # each starts a program: side by side, 0.1 s
        findings = list(pool.map(lambda each: each.check(env), needed))
    for each, finding in zip(needed, findings, strict=True):
        if not finding.good:
            raise HabariError(
                f"{each.name}: {finding.found}, {each.needed} was expected.",
                finding.mend or each.mend,
                MISSING_TOOL,
            )


def _python(_: Mapping[str, str]) -> Finding:
    return Finding(platform.python_version(), good=sys.version_info >= (3, 11))


def _disk(_: Mapping[str, str]) -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding(f"{free / 1e9:.1f} GB free", good=free > 2e9)


def _browser(env: Mapping[str, str]) -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name, path=env.get("PATH"))
        if path:
            return Finding(path, good=True)
    own = next(iter(sorted(_of_playwright(env).glob("chromium-*"))), None)
    return Finding(f"{own}, Playwright's", good=True) if own else Finding("not found", good=False)


def _of_playwright(env: Mapping[str, str]) -> Path:
    """Return where `playwright install` puts browsers, as playwright.dev says of them."""
    home = Path(env.get("HOME") or Path.home())
    caches = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(env.get("PLAYWRIGHT_BROWSERS_PATH") or caches / "ms-playwright")


PYTHON = Requirement("Python", "3.11 or newer", "sudo apt-get install python3", _python)
DISK = Requirement("disk space", "2 GB free in the checkout", "df -h .", _disk)
UV = Requirement(
    "uv",
    "0.9 or newer",
    "python3 -m pip install --upgrade uv",
    at_least(
        lambda env: (
            version_of(str(Path(sys.executable).with_name("uv")), "--version")(env)
            or version_of("uv", "--version")(env)
        ),
        (0, 9),
    ),
)
BROWSER = Requirement(
    "browser (tests alone)",
    "chromium",
    "sudo apt-get install chromium",
    _browser,
    optional=True,
)
EVERY_MODE = (PYTHON, DISK, UV, BROWSER)
