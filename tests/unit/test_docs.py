"""What is written for readers names only what exists: links, commands, settings, paths."""

from __future__ import annotations

import ast
import html
import importlib.util
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from habari_local.cli import app
from habari_local.config.settings import fields_by_variable
from habari_local.core.errors import HabariError
from habari_local.drivers import uv

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = ("habari_local", "hub", "jupyter", "images", "tests")
FENCE = re.compile(r"^( *)```[a-z]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
# Where a command ends in a line of shell, and what stands for a word of the reader's.
ENDS = {"|", "&&", ">", ";", "·", "#"}
PLACEHOLDER = re.compile(r"…|\.\.\.|^[A-Z\[]")


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code(text: str) -> Iterator[str]:
    """Every line of code blocks, and every code span outside them."""
    for _, block in FENCE.findall(text):
        yield from block.splitlines()
    yield from SPAN.findall(FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(text))
    return {title.strip().replace(" ", "-") for title in plain}


def calls(text: str, program: str) -> Iterator[list[str]]:
    """The words after `program` wherever code calls it, up to where the command ends."""
    for line in code(text):
        for found in re.finditer(rf"(?<![\w./-]){program}(?= |$)", line):
            words = []
            for word in shlex.split(line[found.end() :].replace("'", ""), posix=True):
                if word in ENDS:
                    break
                words.append(word)
            yield words


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_link_within_the_repository_resolves(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words after its name."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"habari-local has no {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_command_and_option_exists(page: Path) -> None:
    for words in calls(page.read_text(encoding="utf-8"), "habari-local"):
        if not words or PLACEHOLDER.search(words[0]):
            continue
        command, rest = command_of(words)
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        for word in rest[: rest.index("--")] if "--" in rest else rest:
            if word.startswith("-"):
                name = word.partition("=")[0]
                assert name in {*known, "--help", "-h"}, f"{' '.join(words)}: no option {name}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_command_parses(page: Path) -> None:
    """With what stands for a word of the reader's taken as one: as it would be when pasted."""
    for words in calls(page.read_text(encoding="utf-8"), "habari-local"):
        if len(words) < 2 or PLACEHOLDER.search(words[0]) or any("…" in word for word in words):
            continue
        command, rest = command_of(words)
        said = any(word.endswith(").") or word.startswith("[") for word in rest)  # of its output
        if hasattr(command, "commands") or not rest or said or {"--help", "-h"} & set(rest):
            continue
        pasted = ["process" if word == "MODE" else word for word in rest]
        try:
            command.make_context(command.name, pasted)
        except (typer.TyperException, HabariError) as error:
            pytest.fail(f"{' '.join(words)}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_setting_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    settings = fields_by_variable()
    assigned = re.findall(r"--set `?([A-Z_0-9]+)=|config set ([A-Z_0-9]{5,}) ", text)
    blocks = "\n".join(block for _, block in FENCE.findall(text))
    assigned += re.findall(r"^ *([A-Z][A-Z_0-9]+)()=", blocks, re.MULTILINE)
    for name in (first or second for first, second in assigned):
        assert name in settings or name == "NAME", f"{name} is no setting"
    for name in set(re.findall(r"\bHABARI_[A-Z_0-9]+\b", text)) - set(settings):
        assert is_read(name), f"{name} is neither a setting nor read by anything"


def is_read(name: str) -> bool:
    """Whether some source of ours has the name of this variable."""
    return any(
        name in path.read_text(encoding="utf-8")
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
    )


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_session_exists(page: Path) -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(each) for each in node.decorator_list)
    }
    for words in calls(page.read_text(encoding="utf-8"), "nox"):
        for word in words[words.index("-s") + 1 :] if "-s" in words else ():
            if word == "--":
                break
            assert word.partition("(")[0] in sessions, f"nox has no session {word!r}"


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_path_exists(page: Path) -> None:
    """Of files of this repository, in code spans; words in capitals stand for any name."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for span in SPAN.findall(text):
        if re.fullmatch(r"(?:habari_local|hub|jupyter|images|tests|bench|docs)/[\w./-]*", span):
            pattern = re.sub(r"[A-Z][A-Z]+", "*", span).rstrip("/")
            assert any(ROOT.glob(pattern)), f"{span} is not there"


@pytest.mark.parametrize("name", ["promises.md", "security-list.md"])
def test_every_promise_is_held_by_a_test_that_exists(name: str) -> None:
    page = (ROOT / "docs" / "explanation" / name).read_text(encoding="utf-8")
    held = re.findall(r"^\|[^|]+\| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE)
    assert len(held) == page.count("\n| ") - page.count("\n|---")
    for file, test in held:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test


def test_the_picture_is_drawn_from_its_source() -> None:
    folder = ROOT / "docs" / "explanation"
    drawn = html.unescape((folder / "architecture.svg").read_text(encoding="utf-8"))
    for label in re.findall(r'label="([^"]+)"', (folder / "architecture.dot").read_text()):
        for line in label.split("\\n"):
            assert f">{line}<" in drawn, f"{line!r} is not in the picture: draw it again"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_the_command_line_is_current() -> None:
    found = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert found == generator().page(), "docs/reference/cli.md is stale: nox -s dist"


def test_the_list_of_decisions_is_current() -> None:
    found = (ROOT / "docs" / "adr" / "0001-record-decisions.md").read_text(encoding="utf-8")
    assert found == generator().decisions(), "the list of ADRs is stale: nox -s dist"


def test_the_menu_of_the_site_has_every_page() -> None:
    found = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert found == generator().site(), "the site's menu is stale: nox -s dist"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=identify)
def test_lists_begin_after_a_blank_line(page: Path) -> None:
    """The site's Markdown takes a list right below a paragraph for part of that paragraph."""
    lines = FENCE.sub("", page.read_text(encoding="utf-8")).splitlines()
    for before, line in pairwise(lines):
        if re.match(r"(?:[-*]|\d+\.) ", line):
            ends = not before.strip() or re.match(r"\s|(?:[-*]|\d+\.) |#", before)
            assert ends, f"{line!r} follows {before!r}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_only_the_test_command_installs_development_tools(page: str) -> None:
    """What a line of the page installs is what uv has for its groups in the lock."""
    development = {"playwright", "mypy", "ruff", "pytest", "nox", "import-linter"}
    lines = re.findall(r"\.tools/bin/uv run (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        words = line.strip("`").split()
        groups = words[:2] if words[0] == "--group" else []
        found = {
            each.partition("==")[0]
            for each in uv_export(*groups).splitlines()
            if not each.startswith((" ", "#", "-"))
        }
        needed = words[len(groups)] in ("nox", "pytest")
        assert found & development == (development if needed else set()), line
        assert "typer" in found


def uv_export(*groups: str) -> str:
    """Return the requirements that the lock has for `uv run` with these groups."""
    command = (uv.program(os.environ), "export", "--frozen", "--offline", "--no-hashes", *groups)
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
