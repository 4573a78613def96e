"""Tenants: folders of `tenants/`, each a deployment of its own over what all have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.core.errors import USAGE, HabariError
from habari_local.helm_values.init_values import check as checked
from habari_local.helm_values.values import Data, map_at, merge_layers, read, texts_at

FOLDER, BASE, CONFIG, SECRETS, GUARDS = (
    *("tenants", "base.yaml", "config.yaml"),
    *("secrets.yaml", "guards.yaml"),
)
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
# What a tenant alone can answer; all else is the base's.
ANSWERS = ("host", "client-id", "admins", "users", "lake", "notebooks")


@dataclass(frozen=True)
class Tenant:
    """One tenant's folder in a checkout."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.root / FOLDER / self.name

    def files(self) -> list[Path]:
        """Return its files of values, later ones over earlier ones.

        Raises:
            HabariError: there is no such tenant.
        """
        if not (self.folder / CONFIG).is_file():
            known = ", ".join(names(self.root)) or "none yet"
            raise HabariError(
                f"Tenant {self.name}: not there, one of these was expected: {known}.",
                f"habari-local tenant add {self.name}",
                USAGE,
            )
        shared = self.root / FOLDER / BASE
        found = (shared, self.folder / CONFIG, self.folder / SECRETS)
        return [path for path in found if path.is_file()]

    def values(self) -> Data:
        """Return what its files say together."""
        return merge_layers([read(path).data for path in self.files()])

    def guards(self) -> str:
        """Return the manifests that its namespace has beside the chart."""
        own, shared = self.folder / GUARDS, self.root / FOLDER / GUARDS
        return (own if own.is_file() else shared).read_text(encoding="utf-8")


def names(root: Path) -> list[str]:
    """Return the names of all tenants."""
    return sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{CONFIG}"))


def shared_with(root: Path, name: str, own: Data) -> list[str]:
    """Return what of a tenant's own values another tenant has already: its host, its buckets."""
    mine = _places(own)
    return [
        f"{place} is {other}'s"
        for other in names(root)
        if other != name
        for place in sorted(mine & _places(Tenant(root, other).values()))
    ]


def _places(values: Data) -> set[str]:
    """Return the hosts and buckets that values name."""
    variables = map_at(values, "singleuser", "extraEnv")
    buckets = (variables.get(each) for each in ("HABARI_LAKE_BUCKET", "HABARI_NOTEBOOKS_BUCKET"))
    hosts = (f"host {each.lower()}" for each in texts_at(values, "ingress", "hosts"))
    return {*hosts, *(f"bucket {each}" for each in buckets if isinstance(each, str) and each)}


def values(answers: Mapping[str, str]) -> dict[str, Any]:
    """Return a tenant's own values, from all of `ANSWERS`.

    Raises:
        HabariError: one is missing, or of the wrong form.
    """
    missing = [name for name in ANSWERS if name not in answers]
    unknown = [name for name in answers if name not in ANSWERS]
    if missing or unknown:
        seen = f"{', '.join(missing)} not given" if missing else f"{', '.join(unknown)} not known"
        raise HabariError(
            f"Tenant: {seen}, {', '.join(ANSWERS)} were expected.",
            "habari-local tenant add --help",
            USAGE,
        )
    found = {name: checked(name, text) for name, text in answers.items()}
    lake, notebooks, host = found["lake"], found["notebooks"], found["host"]
    folders = {
        "lake": {"bucket": lake, "prefix": "", "checkpoints": "off"},
        "notebooks": {"bucket": notebooks, "prefix": ""},
    }
    # KubeSpawner takes single braces for its own.
    text = json.dumps(folders).replace("{", "{{").replace("}", "}}")
    sign_in = {
        "client_id": found["client-id"],
        "oauth_callback_url": f"https://{host}/hub/oauth_callback",
        "admin_users": found["admins"].split(","),
        "allowed_users": found["users"].split(","),
    }
    server = {
        "HABARI_LAKE_BUCKET": lake,
        "HABARI_NOTEBOOKS_BUCKET": notebooks,
        "HABARI_CONTENTS_FOLDERS": text,
    }
    return {
        "hub": {"config": {"GitHubOAuthenticator": sign_in}},
        "singleuser": {"extraEnv": server},
        "ingress": {"hosts": [host], "tls": [{"hosts": [host], "secretName": "habari-tls"}]},
    }
