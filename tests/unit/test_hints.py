"""Hints are made from the present state, and those that are commands of ours can be run."""

from __future__ import annotations

import ast
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from habari_local.cli import app
from habari_local.config.load import load
from habari_local.config.settings import Settings, fields_by_variable
from habari_local.core.errors import ConfigError
from habari_local.diagnosis import hints
from habari_local.diagnosis.checks import CHECKS
from habari_local.diagnosis.diagnosis import known_issues

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "habari_local").rglob("*.py"))
VALUE = "1"  # stands for what is put into a text
CALL = re.compile(r"(?<![\w./-])habari-local ((?!…)[a-z][^;|&`]*)")


def test_a_hint_keeps_those_who_may_sign_in_now() -> None:
    settings = Settings(allowed_users=("grace", "margaret"))
    found = hints.allow(settings, "linus", {})
    assert found == "habari-local config set HABARI_ALLOWED_USERS grace,margaret,linus"
    assert hints.allow(settings, "grace", {}).endswith(" grace,margaret")


def test_what_the_environment_sets_is_changed_there() -> None:
    found = hints.allow(Settings(), "linus2", {"HABARI_ALLOWED_USERS": "grace,linus"})
    assert found == "export HABARI_ALLOWED_USERS=grace,linus,linus2"


def test_another_port_is_free_and_nobody_elses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]  # of the system's choice, above 32000
        settings = Settings(port_offset=9000, hub_port=port - 9100)
        name, value = hints.another_port(settings, "HABARI_HUB_PORT", {}).split()[-2:]
    assert name == "HABARI_HUB_PORT"
    assert int(value) >= port - 9000 + 100, "with the offset, the first one is held"
    taken = Settings(hub_port=8000, s3_port=8100)
    assert hints.another_port(taken, "HABARI_HUB_PORT", {}).split()[-1] != "8100"


def test_more_users_are_added_to_those_that_are_there() -> None:
    found = hints.allow_more(["grace", "u1"], 2)
    assert found == "habari-local up --set HABARI_ALLOWED_USERS=grace,u1,u2,u3"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("HABARI_NODES=many", "habari-local config unset HABARI_NODES"),
        ("\nHABARI_NODS=1", "${EDITOR:-vi} +2 "),
        ("PROJECT_PATH=.\nthis is no line", "${EDITOR:-vi} +2 "),
        ("HABARI_HUB_PORT=8001", "${EDITOR:-vi} "),
    ],
)
def test_a_wrong_setting_is_answered_where_it_stands(tmp_path: Path, line: str, hint: str) -> None:
    (tmp_path / ".env").write_text(f"{line}\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert error.value.hint.startswith(hint)
    if hint.startswith("$"):
        assert shlex.split(error.value.hint)[-1] == str(tmp_path / ".env")


def test_a_wrong_variable_is_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HABARI_NODES", "many")
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert error.value.hint == "unset HABARI_NODES"


def test_paths_in_hints_are_quoted() -> None:
    """A checkout's folder may have spaces and quotes in it."""
    bare = re.compile(r"[ =]\{[^}]*\b(path|folder|root|parent|where\[0\])[^}]*\}")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        and re.match(r"f.(mv|rm|ls|cd|git|cat|kubectl|KUBECONFIG)\b", ast.unparse(node))
        and bare.search(ast.unparse(node))
        and "quote" not in ast.unparse(node)
    ]
    assert not found


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the sources that has a command of ours in it, f-strings with words in them."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        parts = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
            for part in node.values
        }  # fmt: skip
        for node in ast.walk(tree):
            if id(node) in documentation or id(node) in parts:
                continue
            if isinstance(node, ast.JoinedStr):
                text = "".join(
                    str(each.value) if isinstance(each, ast.Constant) else VALUE
                    for each in node.values
                )
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pasteable":
                words = (
                    each.value if isinstance(each, ast.Constant) else VALUE for each in node.args
                )
                text = " ".join(map(str, words))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            yield f"{path.relative_to(ROOT)}:{node.lineno}", text
    for check in CHECKS:
        yield f"check {check.name}", check.hint
    for issue in known_issues():
        yield f"known issue {issue.id}", issue.hint


COMMANDS = [
    (place, found.strip())
    for place, text in texts()
    for found in CALL.findall(text)
    if text.startswith(("habari-local", "export", "HABARI_", "rm ", "mv ", "docker ", "check "))
    or "then: habari-local" in text
]


@pytest.mark.parametrize(("place", "command"), COMMANDS, ids=lambda each: str(each)[:60])
def test_a_hint_that_is_a_command_of_ours_is_one(place: str, command: str) -> None:
    """It names verbs and options that there are, and has the arguments that they want."""
    words = shlex.split(command.rstrip(".").replace(f"--mode {VALUE}", "--mode kind"))
    group: Any = typer.main.get_command(app)
    while words and hasattr(group, "commands") and not words[0].startswith("-"):
        if words[0] == VALUE:
            return  # the verb itself is put in
        assert words[0] in group.commands, f"{place}: habari-local has no {words[0]!r}"
        group, words = group.commands[words[0]], words[1:]
    if "--help" in words or hasattr(group, "commands"):
        return
    # What is put in is a value, or options that are not to be seen here; it may come at the end.
    known = {name for each in group.params for name in (*each.opts, *each.secondary_opts)}
    for word in words[: words.index("--")] if "--" in words else words:
        assert not word.startswith("-") or word in known, f"{place}: no option {word}"
    if words.count(VALUE) < 2 and words[-1:] != [VALUE]:
        ends = ([], [VALUE]) if words and words[-1].startswith("-") else ([],)
        assert any(parses(group, [*words, *end]) for end in ends), f"{place}: {command}"
    if command.startswith("config set"):
        assert words[0] in {*fields_by_variable(), VALUE}, f"{place}: no such setting"


def parses(command: Any, words: list[str]) -> bool:
    try:
        command.make_context("habari-local", words)
    except typer.TyperException:
        return False
    return True


def test_there_are_hints_to_be_looked_at() -> None:
    assert len(COMMANDS) > 60
