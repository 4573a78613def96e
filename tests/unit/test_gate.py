"""The gate: a change is known by its paths, what it needs follows, one word says how it went."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from habari_local import modes
from habari_local.commands import gate as command
from habari_local.core.errors import HabariError
from habari_local.drivers import git
from habari_local.gate import checks as gate_checks
from habari_local.gate.checks import Check, Outcome, checks, page, verdict

ROOT = Path(__file__).resolve().parents[2]


def asked(path: str) -> set[str]:
    return {each.name for each in checks() if each.asked_by([path])}


def test_a_change_asks_for_what_it_can_break() -> None:
    always = {"production's values"}
    assert asked("docs/README.md") == always
    assert asked("kind/values.yaml") == {
        *always,
        "every difference from production has a reason",
        "suite in mode kind",
        "an upgrade and its rollback keep users' data",
    }
    assert "the notebook image works on the platform" in asked("jupyter/Dockerfile")
    assert "suite in mode hub" in asked("hub/jupyterhub_config.py")
    assert "suite in mode process" in asked("habari_local/cli.py")
    assert "suite in mode kind" in asked("tenants/blue/config.yaml")


def test_every_row_names_what_exists() -> None:
    for each in checks():
        assert each.mode in ("", *modes.names())
        for path in each.paths:
            named = path in ("", "config.yaml", "tenants/")  # made by people
            assert named or (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([gate_checks.GOOD, gate_checks.NOT_NEEDED], "go"),
        ([gate_checks.GOOD, gate_checks.NOT_HERE], "incomplete"),
        ([gate_checks.BROKEN, gate_checks.NOT_HERE, gate_checks.GOOD], "no-go"),
    ],
)
def test_the_verdict_is_one_word(states: list[str], word: str) -> None:
    check = Check("it", ("image", "list"), ("",))
    outcomes = [Outcome(check, state, 1.0, "<why>", ("a <line>",)) for state in states]
    assert verdict(outcomes) == word
    shown = page(outcomes, "main", "abc", "today")
    assert f"Verdict: {word}." in shown
    assert ("for &lt;why&gt;" in shown) == (
        gate_checks.GOOD in states or gate_checks.BROKEN in states
    )
    assert "No verdict yet" in page(outcomes, "main", "abc", "today", over=False)
    assert "&lt;why&gt;" in shown
    assert "a &lt;line&gt;" in shown


def test_a_gate_that_had_nothing_to_run_says_so() -> None:
    outcomes = [
        Outcome(each, gate_checks.NOT_NEEDED, 0, "nothing that it covers was changed")
        for each in checks()
    ]
    shown = page(outcomes, "main", f"{'a' * 40}-dirty", "30 November 2026, 10:00 UTC")
    assert "<h1>Ready to deploy: nothing had to run</h1>" in shown
    assert "commit aaaaaaaaaa with changes that are not committed" in shown
    assert "What was asked for" not in shown
    assert not re.findall(r"(?:src|href)=\"(?!data:)|@import|url\(", shown)


def test_what_a_command_is_filled_with_is_shown() -> None:
    """A command of the page can be pasted: no braces in it."""
    filled = [each.filled({"report": "/a b/report", "since": "main"}) for each in checks()]
    assert not [each for each in filled if "{" in "".join(each.command)]
    shown = page(
        [Outcome(each, gate_checks.GOOD, 1, "x") for each in filled], "main", "abc", "today"
    )
    assert "habari-local diff --html &#39;/a b/report/diff.html&#39;" in shown


def test_what_differs_is_asked_of_git(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, env=env, check=True, capture_output=True)

    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    run("init", "--initial-branch", "main")
    (tmp_path / "old").write_text("1")
    run("add", ".")
    run(*who, "commit", "-m", "one")
    run("checkout", "-b", "work")
    (tmp_path / "new").write_text("1")
    run("add", ".")
    run(*who, "commit", "-m", "two")
    (tmp_path / "old").write_text("2")
    (tmp_path / "unknown").write_text("3")
    assert git.changed_since(tmp_path, env, "main") == ["new", "old", "unknown"]
    with pytest.raises(HabariError) as told:
        git.changed_since(tmp_path, env, "nothing")
    assert told.value.hint.endswith("fetch origin nothing")


def test_checks_are_run_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With commands of ours that take no time: one that holds, one that does not."""
    good = Check("good", ("config", "show"), ("",))
    broken = Check("broken", ("s3", "nothing"), ("",))
    elsewhere = Check("elsewhere", ("image", "list"), ("",), mode="cluster")
    unasked = Check("unasked", ("image", "list"), ("nowhere/",))
    monkeypatch.setattr(gate_checks, "checks", lambda: [good, broken, elsewhere, unasked])
    monkeypatch.setattr(git, "changed_since", lambda *_: ["README.md"])
    monkeypatch.setattr(
        "habari_local.core.paths.Checkout.report", property(lambda _: tmp_path / "r")
    )
    done = command.gate(as_json=True)
    assert done.code == 1
    assert done.data["verdict"] == "no-go"
    states = {each["check"]["name"]: each["state"] for each in done.data["checks"]}
    assert states == {
        "good": "good",
        "broken": "broken",
        "elsewhere": "not possible here",
        "unasked": "not needed",
    }
    assert json.dumps(done.data)
    (last,) = [each["lines"] for each in done.data["checks"] if each["state"] == "broken"]
    assert any("No such command" in line for line in last)
    assert "no-go" in (tmp_path / "r" / "gate.html").read_text(encoding="utf-8")
