"""Requirements of the modes: what is needed, what was found, the command that fixes it."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from habari_local.core.errors import MISSING_TOOL, HabariError
from habari_local.core.subprocesses import run
from habari_local.core.versions import pinned
from habari_local.drivers import mmdebstrap, package_manager
from habari_local.drivers import package_manager as packages
from habari_local.drivers.docker import engine as docker_engine
from habari_local.drivers.docker import images as docker_images

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
                f"{each.name}: {described(finding)}; {each.needed} is needed.",
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
    least = tuple(int(part) for part in pinned("python", "tool").split("."))
    good = sys.version_info >= least
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


PYTHON = Requirement(
    "Python", f"{pinned('python', 'tool')} or newer", install(packages.PYTHON), _python
)
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

# The first engine and Compose that know the start interval of health checks; the first Podman that
# was tried (docs/reference/machines.md).
ENGINES = {docker_engine.DOCKER: (25, 0), docker_engine.PODMAN: (5, 4)}
COMPOSE, BUILDX = (2, 21), (0, 12)


def _client(env: Mapping[str, str]) -> Finding:
    found = version_of("docker", "--version")(env)
    if found == BROKEN:
        return Finding("gives no version", good=False, state=BROKEN)
    return Finding(found or "not found", good=found is not None)


def _engine(env: Mapping[str, str]) -> Finding:
    if shutil.which("docker", path=env.get("PATH")) is None:
        return Finding("not found", good=False)
    try:
        engine = docker_engine.current()
    except HabariError as error:
        message = error.message.removeprefix("Docker: ").rstrip(".")
        return Finding("no answer", good=False, fix=error.hint, state=NOT_RUNNING, detail=message)
    found = engine.version if engine.name == docker_engine.DOCKER else str(engine)
    return Finding(found, good=engine.numbers >= ENGINES[engine.name], state=TOO_OLD)


def _or_newer(numbers: tuple[int, ...]) -> str:
    return f"{'.'.join(map(str, numbers))} or newer"


def _bootstrapper(env: Mapping[str, str]) -> Finding:
    if env.get("HABARI_IMAGES") != "packages":
        return Finding("not needed", good=True)
    missing = [
        each for each in mmdebstrap.programs() if not shutil.which(each, path=env.get("PATH"))
    ]
    if missing:
        return Finding(f"no {missing[0]}", good=False)
    return at_least(version_of("mmdebstrap", "--version"), (1, 3))(env)


def _plugin(name: str, least: tuple[int, ...]) -> Callable[[Mapping[str, str]], Finding]:
    """Return the check of one of the command line's plug-ins: without it, that fails."""
    read = version_of("docker", name, "version")

    def known(env: Mapping[str, str]) -> str | None:
        version = read(env)
        return None if version == BROKEN else version

    look = at_least(known, least)

    def check(env: Mapping[str, str]) -> Finding:
        if shutil.which("docker", path=env.get("PATH")) is None:
            return Finding("not found", good=False, fix=DOCKER(env))
        return look(env)

    return check


DOCKER = install(packages.DOCKER)
CLIENT = Requirement("docker", "any version", DOCKER, _client)
RUNNING = Requirement("Docker engine", "25/Podman 5.4", DOCKER, _engine)
COMPOSER = Requirement(
    "Docker Compose",
    _or_newer(COMPOSE),
    install(packages.COMPOSE),
    _plugin("compose", COMPOSE),
)
BUILDER = Requirement(
    "Docker buildx",
    _or_newer(BUILDX),
    install(packages.BUILDX),
    _plugin("buildx", BUILDX),
)
MMDEBSTRAP = Requirement(
    "mmdebstrap",
    "1.3 or newer",
    install(packages.MMDEBSTRAP),
    _bootstrapper,
    optional="image builds",
)
CONTAINERS = (CLIENT, RUNNING, COMPOSER, BUILDER, MMDEBSTRAP)


def require_docker(env: Mapping[str, str]) -> None:
    """Refuse what can't succeed without Docker, before anything is started.

    What builds images is asked for when one is built: each question starts a program.

    Raises:
        HabariError: the first of what is missing, with the command that fixes it; exit code 3.
    """
    docker_images.program(env)
    require_all((RUNNING, COMPOSER), env)


def require_build_tools(env: Mapping[str, str]) -> None:
    """Refuse to build an image without what builds it.

    Raises:
        HabariError: it is missing or too old, with the command that fixes it; exit code 3.
    """
    require_all((BUILDER,), env)


# The first that kind mode was made with; older ones don't know the node's Kubernetes.
TOOL_VERSIONS = {"kind": (0, 31), "helm": (3, 18), "kubectl": (1, 33)}
SOPS_VERSION = (3, 11)  # the first whose `set` reads the value from standard input
VERSION_ARGUMENTS = {
    "kind": ("version",),
    "helm": ("version", "--short"),
    "kubectl": ("version", "--client"),
    "sops": ("--version", "--disable-version-check"),
}


def _cluster_tool(name: str) -> Callable[[Mapping[str, str]], Finding]:
    least = TOOL_VERSIONS.get(name, SOPS_VERSION)
    look = at_least(version_of(name, *VERSION_ARGUMENTS[name]), least)

    def check(env: Mapping[str, str]) -> Finding:
        if env.get("HABARI_IMAGES") == "packages":
            return Finding("of our image", good=True)
        return look(env)

    return check


TOOLS = tuple(
    Requirement(
        name,
        _or_newer(TOOL_VERSIONS[name]),
        partial(package_manager.install_cluster_tool, name),
        _cluster_tool(name),
    )
    for name in TOOL_VERSIONS
)
SOPS = Requirement(
    "sops",
    _or_newer(SOPS_VERSION),
    partial(package_manager.install_cluster_tool, "sops"),
    _cluster_tool("sops"),
    optional="encrypted values",
)
