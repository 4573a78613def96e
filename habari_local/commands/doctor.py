"""`habari-local doctor`: which modes this machine can run, what they need, what fixes the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, ModeName
from habari_local.core.console import Prose, Result, Table, human_size
from habari_local.core.errors import FAILED, MISSING_TOOL, ConfigError, HabariError

if TYPE_CHECKING:
    from habari_local.diagnosis.requirements import Finding, Requirement
    from habari_local.images.build import Images

Pull = Annotated[
    bool, typer.Option("--pull", help="Also ask each registry for the images; pulls nothing.")
]


def doctor(mode: ModeName = None, pull: Pull = False, as_json: AsJson = False) -> Result:
    """Check which modes this machine can run.

    The exit code is about the default mode, or the one that --mode names.

    Example: habari-local doctor --mode process
    """
    from habari_local import modes

    settings, environ, default = _settings(mode)
    needs = {name: modes.get(name).requirements() for name in ([mode] if mode else modes.names())}
    rows = [settings] if settings else []
    rows += _checked(needs, environ)
    able = [_verdict(name, rows, default=name == default) for name in needs]
    verdict = next((each for each in able if each["mode"] == (mode or default)), None)
    data = {"modes": able, "checks": [each.as_json() for each in rows]}
    good = verdict is not None and verdict["good"]
    shown = _shown(rows, able, tuple(needs))
    if pull:
        from habari_local.images.space import free_bytes

        asked = ask_registries(environ, tuple(needs))
        data["images"] = [each.as_json() for each in asked]
        shown += _registries(asked, free_bytes())
        if any(each.problem for each in asked):
            return Result(data, shown, FAILED, as_json=as_json)
    return Result(data, shown, 0 if good else MISSING_TOOL, as_json=as_json)


@dataclass(frozen=True)
class Row:
    """One requirement as it was found; `modes` need it, unless `optional` says what else does."""

    name: str
    state: str
    found: str
    needed: str
    modes: tuple[str, ...]
    fix: str
    optional: str = ""
    details: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the requirement is met."""
        return self.state == "ok"

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        about = {each: getattr(self, each) for each in ("name", "state", "found", "needed")}
        modes, details = list(self.modes), list(self.details)
        return {**about, "optional": self.optional, "modes": modes, "fix": self.fix} | {
            "details": details
        }


def _settings(asked: str | None) -> tuple[Row | None, dict[str, str], str]:
    """Return what is wrong with the settings, the environment with them in it, the default mode.

    Settings that can't be used leave the environment and the defaults, as the machine is to be
    checked all the same.
    """
    from habari_local import active_mode, modes
    from habari_local.config.load import as_environment, environment, load, unused
    from habari_local.config.settings import Settings
    from habari_local.core.paths import find_checkout

    checkout = find_checkout()
    problems: tuple[str, ...] = ()
    try:
        settings, hint = load(checkout.root).settings, ""
    except ConfigError as error:
        settings, problems, hint = Settings(), error.problems, error.hint
    if settings.mode not in modes.names():
        problems = (f"HABARI_MODE={settings.mode}: expected one of {', '.join(modes.names())}",)
        settings, hint = Settings(), f"habari-local config set HABARI_MODE {Settings().mode}"
    row = None
    if problems:
        found = f"{len(problems)} wrong"
        every = tuple(modes.names())
        row = Row("settings", "wrong", found, "all usable", every, hint, details=problems)
    elif names := unused(checkout.root / ".env"):
        every, hint = tuple(modes.names()), f"${{EDITOR:-vi}} {checkout.root / '.env'}"
        found = f"{len(names)} not read"
        row = Row(
            ".env", "unused", found, "names of settings", every, hint, "nothing", tuple(names)
        )
    environ = environment() | ({} if problems else as_environment(settings))
    # What is up is asked of the engine, whose own state is what may be asked for here.
    up = None if asked else active_mode.active_mode(checkout)
    return row, environ, up or settings.mode


def _checked(needs: Mapping[str, Sequence[Requirement]], environ: Mapping[str, str]) -> list[Row]:
    """Check every requirement once, side by side: most of them start a program."""
    wanted = {each.name: each for needed in needs.values() for each in needed}
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        findings = list(pool.map(lambda each: _look(each, environ), wanted.values()))
    return [
        _row(each, finding, environ, tuple(name for name in needs if each in needs[name]))
        for each, finding in zip(wanted.values(), findings, strict=True)
    ]


def _look(requirement: Requirement, environ: Mapping[str, str]) -> Finding:
    """Check one; a check that fails itself is a row too, and the others are still shown."""
    from habari_local.diagnosis.requirements import BROKEN, Finding

    try:
        return requirement.check(environ)
    except HabariError as error:
        return Finding("unknown", good=False, fix=error.hint, state=BROKEN, detail=error.message)
    except Exception as error:  # noqa: BLE001 (an engine or a program that answers otherwise)
        told = f"{type(error).__name__}: {error}"
        return Finding("unknown", good=False, state=BROKEN, detail=told)


def _row(
    of: Requirement, finding: Finding, environ: Mapping[str, str], modes: tuple[str, ...]
) -> Row:
    state = "ok" if finding.good else finding.state
    fix = "" if finding.good else finding.fix or of.fix(environ)
    details = (finding.detail,) if finding.detail else ()
    return Row(of.name, state, finding.found, of.needed, modes, fix, of.optional, details)


def _verdict(mode: str, rows: Sequence[Row], *, default: bool) -> dict[str, Any]:
    bad = [each for each in rows if mode in each.modes and not (each.good or each.optional)]
    problems = [f"{each.name} {each.state}" for each in bad]
    return {"mode": mode, "default": default, "good": not bad, "problems": problems}


def _shown(
    rows: Sequence[Row], able: Sequence[Mapping[str, Any]], modes: tuple[str, ...]
) -> list[str | Prose | Table]:
    """The verdict, a table, and below it what fixes the rest: in a cell it could not be copied."""
    table = Table(
        ["requirement", "state", "found", "needed", "for"],
        [(r.name, r.state, r.found, r.needed, r.optional or _for(r.modes, modes)) for r in rows],
    )
    fixes: dict[str, list[Row]] = {}
    for each in rows:
        if not each.good:
            fixes.setdefault(each.fix, []).append(each)
    shown: list[str | Prose | Table] = [Prose(" · ".join(map(_word, able))), table]
    for command, fixed in fixes.items():
        shown.append(f"To fix {', '.join(each.name for each in fixed)}:")
        shown += [Prose(f"  {line}") for each in fixed for line in each.details]
        shown += [f"  {command}", ""]
    return shown


def _word(verdict: Mapping[str, Any]) -> str:
    """Return a mode's verdict in a few words: the first problem, and how many more there are."""
    if verdict["good"]:
        return f"{verdict['mode']} ok"
    first, *more = verdict["problems"]
    return f"{verdict['mode']}: {first}{f' (+{len(more)})' if more else ''}"


def _for(needing: Sequence[str], every: Sequence[str]) -> str:
    """Return which modes need something, in as few words as can be."""
    others = [name for name in every if name not in needing]
    if not others:
        return "all" if len(every) > 1 else every[0]
    return f"all but {others[0]}" if len(others) == 1 else ", ".join(needing)


@dataclass(frozen=True)
class Asked:
    """One image at its registry: `size` in bytes, compressed; `problem` in the registry's words."""

    image: str
    reference: str
    modes: tuple[str, ...]
    size: int
    platforms: tuple[str, ...]
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        told: dict[str, Any] = {"image": self.image, "reference": self.reference}
        told |= {"modes": list(self.modes), "platforms": list(self.platforms)}
        return told | {"download_bytes": self.size, "problem": self.problem or None}


def ask_registries(environ: Mapping[str, str], modes: Sequence[str]) -> list[Asked]:
    """Ask, all at once, for each image that these modes have from a registry.

    Raises:
        HabariError: no engine answers, whose platform it is about.
    """
    from habari_local.config.load import load
    from habari_local.core.paths import find_checkout
    from habari_local.images.build import Images

    checkout = find_checkout()
    images = Images(checkout, load(checkout.root).settings, environ)
    wanted = images.foreign(modes)
    platform = _platform()
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return list(pool.map(lambda name: _one(images, name, wanted[name], platform), wanted))


def _platform() -> str:
    from habari_local.drivers.docker import client as docker_client
    from habari_local.drivers.docker.client import translate_errors

    with translate_errors():
        found = docker_client.api().version()
    return f"{found['Os']}/{found['Arch']}"


def _one(images: Images, name: str, reference: str, platform: str) -> Asked:
    from habari_local.drivers import registry
    from habari_local.images import build

    modes = images.catalogue[name].modes
    try:
        offer = registry.ask(reference, platform, build.ca_bundle(images.environ))
    except HabariError as error:
        said = error.message.removeprefix(f"Image {reference}: ").rstrip(".")
        return Asked(name, reference, modes, 0, (), said)
    problem = ""
    if platform not in offer.platforms:
        problem = f"not for {platform}: {', '.join(offer.platforms)}"
    expected = registry.parse(reference).version
    if expected.startswith("sha256:") and offer.digest not in ("", expected):
        problem = f"has the digest {offer.digest}"
    return Asked(name, reference, modes, offer.size, offer.platforms, problem)


def _registries(asked: Sequence[Asked], free: int | None) -> list[str | Prose | Table]:
    """Return a table of what was asked, its sum, and how that compares with the room there is."""
    if not asked:
        return ["Nothing comes from a registry with these settings."]
    rows = [
        (
            each.image,
            "refused" if each.problem else "ok",
            human_size(each.size or None),
            each.reference,
        )
        for each in asked
    ]
    lines: list[str | Prose | Table] = ["", Table(["image", "state", "download", "from"], rows)]
    lines += [Prose(f"{each.image}: {each.problem}") for each in asked if each.problem]
    total = sum(each.size for each in asked) / 1e9
    least = "at least " if any(each.problem for each in asked) else ""
    room = "" if free is None else f"; {free / 1e9:.1f} GB free on Docker's disk"
    lines.append(Prose(f"To download: {least}{total:.1f} GB, compressed{room}."))
    return lines
