"""`habari-local doctor`: what each mode needs, what is there, and what mends the rest."""

from __future__ import annotations

from habari_local.commands.options import AsJson, ModeName
from habari_local.console import Result, Table
from habari_local.diagnostics.checks import Finding
from habari_local.errors import MISSING_TOOL


def doctor(mode: ModeName = None, as_json: AsJson = False) -> Result:
    """Check the machine for every mode (or one), with the command that mends what is missing.

    Example: habari-local doctor --mode process
    """
    from habari_local import modes
    from habari_local.config.load import environment

    env = environment()
    wanted = {name: modes.get(name) for name in ([mode] if mode else modes.names())}
    by_name = {each.name: each for found in wanted.values() for each in found.requirements()}
    rows: list[dict[str, str]] = []
    for requirement in by_name.values():
        finding = requirement.check(env)
        needs = [name for name, each in wanted.items() if requirement in each.requirements()]
        rows.append(
            {
                "name": requirement.name,
                "state": _state(finding, optional=requirement.optional),
                "found": finding.found,
                "needed": requirement.needed,
                "modes": ", ".join(needs),
                "mend": "" if finding.good else finding.mend or requirement.mend,
            }
        )
    bad = any(row["state"] == "missing" for row in rows)
    return Result({"checks": rows}, _shown(rows), MISSING_TOOL if bad else 0, as_json=as_json)


def _shown(rows: list[dict[str, str]]) -> list[str | Table]:
    """A table, and below it what mends what is lacking: in a cell it could not be copied."""
    columns = ("name", "state", "found", "needed", "modes")
    table = Table(
        ["requirement", "state", "found", "needed", "for"],
        [tuple(row[each] for each in columns) for row in rows],
    )
    mending = [f"{row['name']}: {row['mend']}" for row in rows if row["mend"]]
    return [table, *(("", "What mends it:", *mending) if mending else ())]


def _state(finding: Finding, *, optional: bool) -> str:
    if finding.good:
        return "ok"
    return "optional" if optional else "missing"
