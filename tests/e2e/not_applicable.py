"""The reasons for which a check may be skipped: what not-applicable.toml lists, and no other."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

LIST = Path(__file__).with_name("not-applicable.toml")
PREFIX = "not applicable: "


@dataclass(frozen=True)
class Listed:
    """What the list holds: reasons by their key, and by check and mode."""

    reasons: dict[str, str]
    checks: dict[str, dict[str, str]]
    enforcer: dict[str, str]  # why a check needs our enforcer of NetworkPolicies

    def reason_for(self, check: str, mode: str) -> str | None:
        """Why *check* makes no sense in *mode*, or None if it does."""
        all_of_them = f"{check.partition('::')[0]}::*"
        return self.checks.get(check, self.checks.get(all_of_them, {})).get(mode)


@cache
def listed() -> Listed:
    """The list, read once."""
    content = tomllib.loads(LIST.read_text(encoding="utf-8"))
    reasons = {key: _said(entry) for key, entry in content["reasons"].items()}
    enforcer = dict.fromkeys(content["enforcer"]["needed-by"], _said(content["enforcer"]))
    return Listed(reasons, content["checks"], enforcer)


def _said(entry: dict[str, str]) -> str:
    return entry["says"] + (f". Try: {entry['try']}" if "try" in entry else "")


def not_applicable(reason: str) -> NoReturn:
    """Skip the running check for a listed reason; raises KeyError if it isn't listed."""
    pytest.skip(PREFIX + listed().reasons[reason])


def check_id(node_id: str) -> str:
    """`capability::test[case]` for pytest's node id."""
    file, _, test = node_id.partition("::")
    return f"{Path(file).stem.removeprefix('test_')}::{test}"


def mark(items: list[pytest.Item], mode: str, enforcer: str | None = None) -> None:
    """Skip what the list excludes in this mode, and with this enforcer of NetworkPolicies."""
    for item in items:
        check = check_id(item.nodeid)
        reason = listed().reason_for(check.partition("[")[0], mode)
        if enforcer == "node":
            reason = reason or listed().enforcer.get(check)
        if reason:
            item.add_marker(pytest.mark.skip(reason=PREFIX + reason))


def stale(items: list[pytest.Item]) -> list[str]:
    """Listed checks that don't exist, judged by those files that were collected."""
    known = {check_id(item.nodeid).partition("[")[0] for item in items}
    files = {check.partition("::")[0] for check in known}
    return [
        check
        for check in (*listed().checks, *(each.partition("[")[0] for each in listed().enforcer))
        if check.partition("::")[0] in files and check not in known and not check.endswith("::*")
    ]
