"""`habari-local doctor`: what each mode needs, what is there, and what mends the rest."""

from __future__ import annotations

from habari_local.commands.options import AsJson, ModeName
from habari_local.console import Result, Table
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
    rows = []
    for requirement in by_name.values():
        finding = requirement.check(env)
        needs = [n for n, m in wanted.items() if requirement in m.requirements()]
        state = "ok" if finding.good else ("optional" if requirement.optional else "missing")
        rows.append(
            {
                "name": requirement.name,
                "state": state,
                "found": finding.found,
                "needed": requirement.needed,
                "modes": needs,
                "mend": "" if finding.good else requirement.mend,
            }
        )
    table = Table(
        ["requirement", "state", "found", "needed", "for", "mend it with"],
        [
            (r["name"], r["state"], r["found"], r["needed"], ", ".join(r["modes"]), r["mend"])
            for r in rows
        ],
    )
    bad = any(row["state"] == "missing" for row in rows)
    return Result({"checks": rows}, [table], MISSING_TOOL if bad else 0, as_json=as_json)
