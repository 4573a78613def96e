"""Which files are production's values, and what the environment adds to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from habari_local.config.settings import Settings
from habari_local.core.errors import ConfigError
from habari_local.helm_values.chart import production_values

SECRETS = "secrets.yaml"
# What stands for a value of the environment where values are only looked at.
HIDDEN = "ENC[AES256_GCM,of the environment]"


def files(root: Path) -> list[Path]:
    """Return production's files as they are: the values, and over them the encrypted ones."""
    secrets = root / SECRETS
    return [production_values(root), *([secrets] if secrets.is_file() else [])]


def wanted(settings: Settings) -> dict[str, str]:
    """Return the variable of each place of HABARI_VALUES_FROM.

    Raises:
        ConfigError: one is no PLACE=VARIABLE.
    """
    pairs = [each.partition("=") for each in settings.values_from]
    wrong = ["=".join((where, name)) for where, _, name in pairs if not (where and name)]
    if wrong:
        raise ConfigError([f"HABARI_VALUES_FROM={e}: expected PLACE=VARIABLE" for e in wrong])
    return {where: name for where, _, name in pairs}


def of_environment(folder: Path, found: Mapping[str, str]) -> list[Path]:
    """Write a file of values that has a text at each place; return it, or none if none is."""
    if not found:
        return []
    tree: dict[str, Any] = {}
    for where, text in found.items():
        *above, last = where.split(".")
        node = tree
        for name in above:
            node = node.setdefault(name, {})
        node[last] = text
    file = folder / "environment.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return [file]
