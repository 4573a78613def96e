"""versions.toml has each version once: every other place that names one agrees with it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from habari_local.core.versions import pinned, versions

ROOT = Path(__file__).resolve().parents[2]
NUMBER = r"(\d+(?:\.\d+)+)"
# Table and name → what stands around that version wherever it is written.
PLACES = {
    ("chart", "version"): (
        rf"k8s-hub:{NUMBER}",
        rf"Zero to JupyterHub(?:\]\([^)]*\))? {NUMBER}",
        rf"jupyterhub[ -]{NUMBER} of ",
        rf"[Cc]hart `?jupyterhub`? {NUMBER}",
    ),
    ("kubernetes", "version"): (rf"\nKUBERNETES=v{NUMBER}",),
    ("kubernetes", "kind"): (
        rf"sigs\.k8s\.io/kind@v{NUMBER}",
        rf"\nKIND=v{NUMBER}",
        rf'\nkind = "{NUMBER}"',
        rf"kind's release notes, v{NUMBER}",
    ),
    ("kubernetes", "helm"): (rf"\nHELM=v{NUMBER}",),
    ("sops", "version"): (rf"\nSOPS=v{NUMBER}",),
    ("s3", "localstack"): (rf"LocalStack {NUMBER}", rf"\nlocalstack(?:-core)?=={NUMBER}"),
    ("python", "tool"): (
        rf"Python {NUMBER} or newer",
        rf'\nrequires-python = ">={NUMBER}"',
        rf'\npython_version = "{NUMBER}"',
    ),
    ("python", "image"): (rf"library/python:{NUMBER}-", rf"BASE=python:{NUMBER}-"),
    ("python", "localstack"): (
        rf"LocalStack needs Python {NUMBER}",
        rf"needs no account, \*\*needs Python {NUMBER}",
    ),
    ("python", "k8s-hub"): (rf"k8s-hub \| Python {NUMBER}",),
}
# The past, and what is about other versions on purpose.
ELSEWHERE = re.compile(
    r"docs/adr/|docs/reference/bench|CHANGELOG\.md|uv\.lock|bench/|tests/unit/"
    r"|tests/fixtures/|.*\.(svg|png|webp|sum)$"
)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every file of the checkout that may name a version, by its path."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    paths = {each: ROOT / each for each in names if not ELSEWHERE.match(each)}
    return {
        name: path.read_text(encoding="utf-8", errors="replace")
        for name, path in paths.items()
        if path.is_file()
    }


def found(texts: dict[str, str], pattern: str) -> Iterator[tuple[str, str]]:
    for name, text in texts.items():
        for each in re.finditer(pattern, f"\n{text}"):
            yield name, each[1]


@pytest.mark.parametrize(
    ("place", "pattern"), [(at, each) for at, patterns in PLACES.items() for each in patterns]
)
def test_every_place_that_names_a_version_agrees(
    texts: dict[str, str], place: tuple[str, str], pattern: str
) -> None:
    seen = list(found(texts, pattern))
    assert seen, "nothing names it any more: take the pattern out"
    wrong = [f"{name}: {other}" for name, other in seen if other != pinned(*place)]
    assert wrong == []


def test_every_digest_of_a_base_image_agrees(texts: dict[str, str]) -> None:
    for reference in versions()["images"].values():
        named = reference.partition("@")[0]
        seen = set(found(texts, rf"{re.escape(named)}@(sha256:[0-9a-f]+)"))
        assert {digest for _, digest in seen} == {reference.partition("@")[2]}


def test_the_locks_are_compiled_for_the_pythons_that_use_them(texts: dict[str, str]) -> None:
    for name, used in found(texts, r"pip compile .*--python-version (\S+)"):
        expected = pinned("python", "localstack" if "localstack" in name else "tool")
        assert (name, used) == (name, expected)
