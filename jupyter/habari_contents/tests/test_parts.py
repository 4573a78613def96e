"""The parts by themselves, and what the start of a server costs."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from habari_contents.breaker import CircuitBreaker
from habari_contents.bucket import Bucket
from habari_contents.etag_cache import ABSENT, MAX_REMEMBERED, EtagCache
from habari_contents.settings import Deadlines, FolderSettings, parse_folders
from habari_contents.types import ETag, Stat

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = Path(__file__).parents[2] / "jupyter_server_config.py"


def test_folders_are_read_and_prefixes_trimmed():
    assert parse_folders('{"lake": {"bucket": "b"}, "n": {"bucket": "c", "prefix": "/a/b/"}}') == {
        "lake": FolderSettings("b"),
        "n": FolderSettings("c", "a/b"),
    }


def test_all_problems_of_the_folders_are_told_at_once():
    wrong = {"a/b": {"bucket": "x"}, "c": {}, "d": {"bucket": "x", "size": 1}, ".e": 3}
    with pytest.raises(ValueError, match="HABARI_CONTENTS_FOLDERS") as told:
        parse_folders(json.dumps(wrong))
    assert str(told.value).count("\n") >= 4


@pytest.mark.parametrize("wrong", ["{", "[]", "3"])
def test_folders_that_are_no_object_are_refused(wrong):
    with pytest.raises(ValueError, match="HABARI_CONTENTS_FOLDERS"):
        parse_folders(wrong)


def test_breaker_rests_tries_once_and_heals():
    now = [0.0]
    breaker = CircuitBreaker(rest=3, failures=2, clock=lambda: now[0])
    breaker.record_failure()
    assert breaker.retry_after() == 0
    breaker.record_failure()
    assert breaker.retry_after() == 3
    now[0] = 3
    assert breaker.retry_after() == 0, "the trial"
    assert breaker.retry_after() == 3, "all others wait for it"
    breaker.record_success()
    assert breaker.retry_after() == 0


def test_served_is_bounded_and_forgets_what_is_under_a_path():
    etags = EtagCache()
    for number in range(MAX_REMEMBERED + 10):
        etags.remember(f"lake/{number}", ETag("e"))
    assert etags.get("lake/0") is None
    etags.remember("lake/d/x", ETag("e"))
    etags.remember("lake/dx", ETag("e"))
    etags.remember("lake/none", ABSENT)
    etags.forget("lake/d")
    assert (etags.get("lake/d/x"), etags.get("lake/dx")) == (None, ETag("e"))
    assert etags.get("lake/none") == ABSENT


def test_what_was_saved_answers_once():
    etags, stat = EtagCache(), Stat("k", ETag("e"), 1, NOW)
    etags.remember_saved("lake/x", stat)
    assert etags.pop_saved("lake/x") == stat
    assert etags.pop_saved("lake/x") is None
    assert etags.get("lake/x") == ETag("e")


class Pages:
    """A client of three pages, at the seam to aiobotocore."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    async def get(self):
        return self

    async def list_objects_v2(self, **arguments):
        number = len(self.asked)
        self.asked.append(arguments)
        entry = {"Key": f"k{number}", "ETag": "e", "Size": 1, "LastModified": NOW}
        page = {"Contents": [entry], "IsTruncated": number < 2}
        return page | ({"NextContinuationToken": f"t{number}"} if number < 2 else {})


def test_all_pages_are_listed_and_a_look_takes_one():
    pages = Pages()
    bucket = Bucket("b", pages, Deadlines())
    found = asyncio.run(bucket.list_objects("", "lake"))
    assert [stat.key for stat in found.objects] == ["k0", "k1", "k2"]
    assert [asked.get("ContinuationToken") for asked in pages.asked] == [None, "t0", "t1"]
    pages.asked.clear()
    asyncio.run(bucket.list_objects("", "lake", limit=1))
    assert len(pages.asked) == 1


def imported(code: str, **env: str) -> set[str]:
    """The modules in memory after the code has run in a fresh interpreter."""
    code += "\nimport sys; print(' '.join(sys.modules))"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    return set(run.stdout.decode().split())


def test_modules_import_each_other_one_way():
    """Read as they are written, imports for types alone included."""
    package = Path(__file__).parents[1] / "habari_contents"
    names = {file.stem for file in package.glob("*.py")} - {"__init__"}
    found = {name: _imported_by(package / f"{name}.py") & names for name in names}
    graph = TopologicalSorter({name: others - {name} for name, others in found.items()})
    assert len(list(graph.static_order())) == len(names)  # raises CycleError


def _imported_by(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("habari_contents").lstrip(".")
            names |= {module} if module else {each.name for each in node.names}
    return names


def test_a_wheel_has_licence_authors_and_changelog():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["license-files"] == ["LICENSE"]
    assert project["project"]["authors"]
    assert "aiobotocore>=3.8" in project["project"]["dependencies"]


def test_a_server_starts_without_aiobotocore():
    """It takes 0.5 s and 20 MB, and is imported when S3 is first needed."""
    folders = '{"lake": {"bucket": "b"}}'
    code = "import habari_contents as h; h.HabariContentsManager(root_dir='.').info_string()"
    names = imported(code, HABARI_CONTENTS_FOLDERS=folders)
    assert "habari_contents.manager" in names
    assert not {"aiobotocore", "botocore", "aiohttp", "boto3"} & names


def test_the_grammar_that_slows_every_start_is_left_out():
    """jupyter_events asks for jsonschema[format-nongpl], whose rfc3987_syntax builds a Lark grammar
    when it is imported: 2.5 s of every server start, for formats that no Jupyter schema uses."""
    assert importlib.util.find_spec("rfc3987_syntax") is None


def test_the_configuration_of_servers_is_accepted_and_node_is_not_asked(tmp_path):
    asked = tmp_path / "asked"
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\ntouch {asked}\n")
    node.chmod(0o755)
    code = (
        "from jupyter_server.serverapp import ServerApp\n"
        f"app = ServerApp(); app.initialize(['--config={CONFIG}', '--allow-root'])\n"
        "assert app.contents_manager.always_delete_dir\n"
        "import os; assert os.environ['PATH']\n"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    names = imported(code, PATH=path, HOME=str(tmp_path), PYTHONPATH="")
    assert "jupyterlab.labapp" in names
    assert "jupyter_lsp" not in names
    assert not asked.exists()
