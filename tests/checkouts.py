"""Folders that pass for a checkout, for unit tests that call the command line in their process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARKED = '[project]\nname = "habari-local"\nversion = "0.1.0"\n\n[tool.habari-local]\n'


def marked(folder: Path) -> Path:
    """Make `folder` a checkout that has nothing else in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(MARKED, encoding="utf-8")
    return folder


def copy_locks(folder: Path) -> Path:
    """Give `folder` the components' locks: environments are named after what those say."""
    for pattern in ("*/requirements*.txt", "images/*/requirements*.txt"):
        for lock in ROOT.glob(pattern):
            (folder / lock.relative_to(ROOT).parent).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(lock, folder / lock.relative_to(ROOT))
    return folder


def work_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command line work on `folder`, as if this code were its own."""
    marked(folder)
    monkeypatch.setattr("habari_local.core.paths.PACKAGE", folder / "habari_local")
    monkeypatch.setenv("HABARI_CHECKOUT", str(folder))
