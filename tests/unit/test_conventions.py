"""The rules of CONTRIBUTING.md that no linter knows, held for every file of ours."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from habari_local.cli import app

ROOT = Path(__file__).resolve().parents[2]
OURS = ("habari_local", "hub", "images", "jupyter", "kind", "tests", "bench", "scan")
FILES = sorted(
    path
    for folder in OURS
    for path in (ROOT / folder).rglob("*.py")
    if not {"node_modules", ".venv", "build"} & set(path.parts)
)
PRODUCT = [path for path in FILES if not {"tests", "bench", "scan"} & set(path.parts)]
# One owner each (design): module → what it alone may touch.
OWNERS = {
    "os.environ": ("habari_local/config/load.py",),
    "time.sleep": ("habari_local/core/polling.py",),
    "sys.exit": ("habari_local/cli.py",),
    "print": (),
}


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls_and_attributes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_modules_are_small_and_say_what_they_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500, "split it: one module owns one thing"
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "begin with what it owns"


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_functions_fit_on_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 50
    ]
    assert not long


@pytest.mark.parametrize("path", PRODUCT, ids=identify)
def test_nothing_is_named_after_nothing(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize(
    "path", [p for p in PRODUCT if p.parts[len(ROOT.parts)] == "habari_local"], ids=identify
)
def test_what_has_one_owner_is_touched_by_nobody_else(path: Path) -> None:
    if path.name == "github.py" and path.parent.name == "identity":
        return  # a program of its own, standard library only
    used = set(calls_and_attributes(ast.parse(path.read_text(encoding="utf-8"))))
    strangers = {what for what, owners in OWNERS.items() if identify(path) not in owners}
    assert not used & strangers


def test_every_help_has_an_example() -> None:
    def named(command: Any, name: str) -> Iterator[tuple[str, str]]:
        yield name, command.help or ""
        for verb, each in getattr(command, "commands", {}).items():
            yield from named(each, f"{name} {verb}")

    missing = [
        name
        for name, text in named(typer.main.get_command(app), "habari-local")
        if f"Example: {name.partition(' ')[0]} " not in " ".join(text.split())
    ]
    assert not missing


def test_every_lock_leaves_out_the_package_that_slows_every_start() -> None:
    """rfc3987-syntax builds a grammar when jsonschema is imported: 2.5 s of each start."""
    locks = [*ROOT.glob("*/requirements*.txt"), *ROOT.glob("images/*/requirements*.txt")]
    assert len(locks) >= 4
    for lock in locks:
        assert "rfc3987-syntax" not in lock.read_text(encoding="utf-8"), lock


def test_locks_name_no_index_and_pin_by_hash() -> None:
    for lock in [*ROOT.glob("*/requirements*.txt"), *ROOT.glob("images/*/requirements*.txt")]:
        text = lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text, lock
