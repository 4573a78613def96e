"""`habari-local gate`: what must hold before a change goes out, as one verdict."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson
from habari_local.core.console import Result, Table, progress
from habari_local.core.errors import FAILED, HabariError

if TYPE_CHECKING:
    from habari_local.core.paths import Checkout
    from habari_local.gate.checks import Check, Outcome

Lines = tuple[str, ...]
LINES = 15  # of a check that broke, in the report


def gate(
    since: Annotated[
        str, typer.Option("--since", metavar="REF", help="What is deployed already.")
    ] = "main",
    changed: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Changed too, where git can't tell: config.yaml."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would run, and stop.")] = False,
    as_json: AsJson = False,
) -> Result:
    """Run the checks that a change needs.

    Which, its files decide. Exit 0 if all hold; exit 1 if something broke or could not be run here.
    The report is .habari/report/gate.html.

    Example: habari-local gate --since main
    """
    from habari_local.config.load import environment
    from habari_local.config.secrets import write_private
    from habari_local.core.paths import find_checkout, private_folder
    from habari_local.drivers import git
    from habari_local.gate import checks as table

    checkout, environ = find_checkout(), environment()
    files = sorted({*git.changed_since(checkout.root, environ, since), *(changed or ())})
    if plan:
        return _plan(table.checks(), files, since, as_json=as_json)
    report = private_folder(checkout.report)
    commit, when = git.commit(checkout.root, environ), time.strftime("%d %B %Y, %H:%M %Z")
    outcomes: list[Outcome] = []
    clean = _without_secrets(checkout, environ)

    def draw(*, over: bool) -> None:
        shown = table.page(outcomes, since, commit, when, over=over)
        write_private(report / "gate.html", shown)

    draw(over=False)  # the page of the last run must not pass for this one's
    for each in table.checks():
        filled = each.filled({"report": str(report), "since": since})
        outcome = _one(filled, files, checkout.root, environ)
        outcomes.append(replace(outcome, lines=clean(outcome.lines)))
        draw(over=False)
    draw(over=True)
    found = table.verdict(outcomes)
    data = {"verdict": found, "since": since, "commit": commit, "changed": files}
    data |= {"checks": [asdict(each) for each in outcomes]}
    shown = [*_shown(outcomes), f"Verdict: {found}.", f"Report: {report / 'gate.html'}"]
    return Result(data, shown, 0 if found == table.GO else FAILED, as_json=as_json)


def _without_secrets(checkout: Checkout, environ: Mapping[str, str]) -> Callable[..., Lines]:
    """Return what hides our secrets, and what looks like one, in lines of a check's output."""
    from habari_local.config.load import load
    from habari_local.config.secrets import load_secrets, secret_values
    from habari_local.core.redaction import Redaction

    made = (checkout.state / "secrets.json").is_file()
    kept = list(load_secrets(checkout.state).values()) if made else []
    with suppress(HabariError):
        kept += secret_values(load(checkout.root).settings, environ)
    redact = Redaction(kept)
    return lambda lines: tuple(redact("\n".join(lines)).splitlines())


def _shown(outcomes: list[Outcome]) -> list[str | Table]:
    from habari_local.gate.checks import NOT_NEEDED

    rows = [(e.check.name, e.state, f"{e.seconds:.1f} s", e.why) for e in outcomes]
    table = Table(["check", "state", "took", "why"], rows)
    if all(each.state == NOT_NEEDED for each in outcomes):
        return [table, "Nothing to run: no check covers what was changed."]
    return [table]


def _plan(checks: list[Check], changed: list[str], since: str, *, as_json: bool) -> Result:
    rows = [(each.name, _asked(each, changed) or "not needed") for each in checks]
    data = {
        "changed": changed,
        "checks": [dict(zip(("check", "why"), r, strict=True)) for r in rows],
    }
    head = f"{len(changed)} files differ from {since}."
    return Result(data, [head, Table(["check", "why"], rows)], as_json=as_json)


def _one(
    check: Check,
    changed: list[str],
    root: Path,
    environ: Mapping[str, str],
) -> Outcome:
    """Run a check if it is needed and possible here."""
    from habari_local.core.errors import CommandFailed
    from habari_local.core.subprocesses import run
    from habari_local.gate import checks as table

    why = _asked(check, changed)
    if not why:
        return table.Outcome(check, table.NOT_NEEDED, 0, "nothing that it covers was changed")
    reason = _not_possible(check, root, environ)
    if reason is not None:
        state = table.NOT_NEEDED if check.needs else table.NOT_HERE
        return table.Outcome(check, state, 0, reason)
    began = time.monotonic()
    progress(check.name)
    try:
        for command in filter(None, (check.build, check.command)):
            run([sys.executable, "-m", "habari_local", *command], cwd=root, env=environ)
    except CommandFailed as error:
        last = tuple(error.output.rstrip().splitlines()[-LINES:])
        return table.Outcome(check, table.BROKEN, time.monotonic() - began, why, last)
    return table.Outcome(check, table.GOOD, time.monotonic() - began, why)


def _asked(check: Check, changed: list[str]) -> str:
    """Return for whose sake a check is run, in words; "" if for nobody's."""
    found = check.asked_by(changed)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def _not_possible(check: Check, root: Path, environ: Mapping[str, str]) -> str | None:
    """Return why a check can't be run here, in words; None if it can."""
    if check.needs and not (root / check.needs).exists():
        return f"there is no {check.needs} here"
    return next(_missing(check, environ), None)


def _missing(check: Check, environ: Mapping[str, str]) -> Iterator[str]:
    import importlib.util

    from habari_local import modes
    from habari_local.config.load import load
    from habari_local.core.paths import find_checkout
    from habari_local.diagnosis.requirements import described
    from habari_local.drivers import helm
    from habari_local.images import bundled_binaries
    from habari_local.images.build import Images

    if check.command[0] == "e2e" and importlib.util.find_spec("pytest") is None:
        yield "the test tools are not installed (uv sync --inexact --group dev)"
    for each in modes.get(check.mode).requirements() if check.mode else ():
        finding = each.check(environ)
        if not (each.optional or finding.good):
            yield f"{each.name}: {described(finding)}, {each.needed} needed"
    if check.helm:
        checkout = find_checkout()
        images = Images(checkout, load(checkout.root).settings, environ)
        try:
            helm.program(bundled_binaries.environment(images))
        except HabariError as error:
            yield error.message
