"""Requirements of the modes: what is needed, what was found, the command that fixes it."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from habari_local.core.errors import MISSING_TOOL, HabariError
from habari_local.core.subprocesses import run
from habari_local.drivers import package_manager as packages

MISSING, TOO_OLD, TOO_LITTLE, NOT_RUNNING, BROKEN = (
    "missing",
    "too old",
    "too little",
    "not running",
    "broken",
)
Remedy = Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Finding:
    """What was found of a requirement, in a few words; `fix` where its own does not fit.

    `state` says in which way it is not good: missing, too old, too little, not running. `detail` is
    a sentence for what takes more words.
    """

    found: str
    good: bool
    fix: str = ""
    state: str = MISSING
    detail: str = ""


@dataclass(frozen=True)
class Requirement:
    """Something that must be on the machine, and how to see and fix it.

    `check` and `fix` get the environment with the settings in it, by their variables. `optional`
    names what it is for, where a mode runs without it.
    """

    name: str
    needed: str
    fix: Remedy
    check: Callable[[Mapping[str, str]], Finding]
    optional: str = ""


def always(command: str) -> Remedy:
    """Return the remedy that is the same on every machine."""
    return lambda _: command


def install(package: packages.Package) -> Remedy:
    """Return the remedy that installs a package with what this machine has for that."""
    return lambda environ: packages.install(package, environ)


def version_of(program: str, *arguments: str) -> Callable[[Mapping[str, str]], str | None]:
    """Return a check's first half: the version that `program` prints, None if it isn't there."""

    def read(env: Mapping[str, str]) -> str | None:
        path = shutil.which(program, path=env.get("PATH"))
        if path is None:
            return None
        try:
            output = run([path, *arguments], env=env).output
        except HabariError:
            return BROKEN
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
        if version == BROKEN:
            return Finding("gives no version", good=False, state=BROKEN)
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[: len(least)])
        return Finding(version, good=numbers >= least, state=TOO_OLD)

    return check


def require_all(needed: Sequence[Requirement], env: Mapping[str, str]) -> None:
    """Refuse what can't succeed without these.

    Raises:
        HabariError: the first that is missing, with the command that fixes it; exit code 3.
    """
    with ThreadPoolExecutor(len(needed)) as pool:  # each starts a program: side by side, 0.1 s
        findings = list(pool.map(lambda each: each.check(env), needed))
    for each, finding in zip(needed, findings, strict=True):
        if not finding.good:
            raise HabariError(
                f"{each.name}: {described(finding)}, {each.needed} was expected.",
                finding.fix or each.fix(env),
                MISSING_TOOL,
            )


def described(finding: Finding) -> str:
    """Return what was found as part of a sentence."""
    if finding.detail:
        return finding.detail
    known = finding.state in (TOO_OLD, TOO_LITTLE)
    return f"{finding.found} is {finding.state}" if known else finding.found


def _python(_: Mapping[str, str]) -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding(platform.python_version(), good=good, state=TOO_OLD)


def _disk(_: Mapping[str, str]) -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    return Finding(f"{free / 1e9:.1f} GB free", good=free > 2e9, state=TOO_LITTLE)


def _browser(env: Mapping[str, str]) -> Finding:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name, path=env.get("PATH"))
        if path:
            return Finding(name, good=True, detail=path)
    own = next(iter(sorted(_of_playwright(env).glob("chromium-*"))), None)
    if own:
        return Finding("Playwright's", good=True, detail=str(own))
    return Finding("not found", good=False)


def _of_playwright(env: Mapping[str, str]) -> Path:
    """Return where `playwright install` puts browsers, as playwright.dev says of them."""
    home = Path(env.get("HOME") or Path.home())
    caches = home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(env.get("PLAYWRIGHT_BROWSERS_PATH") or caches / "ms-playwright")


PYTHON = Requirement("Python", "3.11 or newer", install(packages.PYTHON), _python)
DISK = Requirement("disk space", "2 GB free", always("df -h ."), _disk)
UV = Requirement(
    "uv",
    "0.9 or newer",
    install(packages.UV),
    at_least(
        lambda env: (
            version_of(str(Path(sys.executable).with_name("uv")), "--version")(env)
            or version_of("uv", "--version")(env)
        ),
        (0, 9),
    ),
)
BROWSER = Requirement(
    "browser",
    "chromium",
    install(packages.CHROMIUM),
    _browser,
    optional="tests",
)
EVERY_MODE = (PYTHON, DISK, UV, BROWSER)
