"""Values files with the verdict that `config check` must give: bad ones, and good ones."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import choice, randbytes
from string import ascii_letters, digits
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


HEX, WORD = "0123456789abcdef", ascii_letters + digits
JWT_BODY = "eyJzdWIiOiJib3QiLCJleHAiOjE5OTk5OTk5OTl9"


@dataclass(frozen=True)
class Case:
    """One change of good values: `verdict` is refuse, accept or "warn or refuse"."""

    name: str
    verdict: str
    changes: dict[str, Any]
    real_only: bool = False  # the test chart does not render what it is about

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


def _random(alphabet: str, count: int) -> str:
    return "".join(choice(alphabet) for _ in range(count))


def _base64(count: int) -> str:
    return b64encode(randbytes(count)).decode()


def _key(kind: str) -> str:
    body = "\n".join(_base64(48) for _ in range(12))
    return f"-----BEGIN {kind} PRIVATE KEY-----\n{body}\n-----END {kind} PRIVATE KEY-----\n"


# Secrets by their form, made up for each run: a file of them would be taken for one that leaked.
SECRETS: Mapping[str, Callable[[], str]] = {
    "hex40": lambda: _random(HEX, 40),
    "hex64": lambda: _random(HEX, 64),
    "slack": lambda: f"xoxb-{_random(digits, 12)}-{_random(digits, 12)}-{_random(WORD, 24)}",
    "ghp": lambda: f"ghp_{_random(WORD, 36)}",
    "glpat": lambda: f"glpat-{_random(WORD, 20)}",
    "npm": lambda: f"npm_{_random(WORD, 36)}",
    "hf": lambda: f"hf_{_random(WORD, 34)}",
    "vault": lambda: f"hvs.{_random(WORD, 90)}",
    "openai": lambda: f"sk-proj-{_random(WORD, 20)}T3BlbkFJ{_random(WORD, 20)}",
    "jwt": lambda: f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{JWT_BODY}.{_random(WORD, 43)}",
    "aws": lambda: _base64(30),
    "azure": lambda: _base64(64),
    "pem": lambda: _key("RSA"),
    "openssh": lambda: _key("OPENSSH"),
    "b64pem": lambda: b64encode(_key("RSA").encode()).decode(),
    "dockerauth": lambda: b64encode(f"puller:{_random(WORD, 16)}".encode()).decode(),
}


def _with_secrets(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _with_secrets(each) for key, each in node.items()}
    if isinstance(node, list):
        return [_with_secrets(each) for each in node]
    if isinstance(node, str):
        return re.sub(r"<<(\w+)>>", lambda found: SECRETS[found[1]](), node)
    return node


@cache
def _good() -> str:
    return fill_values(DIST, ANSWERS)


def cases(name: str) -> list[Case]:
    """Return the cases of one file."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [
        Case(each["name"], each["verdict"], _with_secrets(each["set"]), "chart" in each)
        for each in found
    ]
