"""Values files with the verdict that `config check` must give: bad ones, and good ones."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from habari_local.core.yaml11 import load
from habari_local.helm_values.init_values import fill_values

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "fixtures" / "cases"
DIST = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
ANSWERS = {
    "host": "habari.acme.com",
    "client-id": "Ov23li",
    "admins": "ada",
    "users": "grace,linus",
    "image": "registry.acme.com/habari/habari-notebook:2026.11.1",
    "lake": "acme-lake",
    "notebooks": "acme-notebooks",
    "region": "eu-west-1",
}


@dataclass(frozen=True)
class Case:
    """One change of good values: `verdict` is refuse, accept or "warn or refuse"."""

    name: str
    verdict: str
    changes: dict[str, Any]

    def text(self) -> str:
        """Return the changed values as a file."""
        data = load(_good()).data
        for path, value in self.changes.items():
            *above, last = (key.replace("~1", "/") for key in path.split("/"))
            node = data
            for key in above:
                node = node.setdefault(key, {})
            if value == {"$delete": True}:
                node.pop(last, None)
            else:
                node[last] = deepcopy(value)
        return json.dumps(data, indent=1, ensure_ascii=False)  # which is YAML


@cache
def _good() -> str:
    return fill_values(DIST, ANSWERS)


def cases(name: str) -> list[Case]:
    """Return the cases of one file."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [Case(each["name"], each["verdict"], each["set"]) for each in found]
