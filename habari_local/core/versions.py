"""The versions that Habari local stands on, as versions.toml has them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).parents[1] / "versions.toml"


@cache
def versions() -> dict[str, dict[str, str]]:
    """Return the tables of the file; read once."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def pinned(table: str, name: str = "version") -> str:
    """Return one version.

    >>> pinned("chart", "name")
    'jupyterhub'
    """
    return versions()[table][name]
