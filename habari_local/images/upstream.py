"""Upstream's images as recorded in images/upstream.toml, and how one that is there differs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors
from habari_local.drivers.registry import Offer, parse

FILE = "images/upstream.toml"
TOLERANCE = 0.1  # a size that grew by less is no news
# Key of the record → key of the image's configuration.
CONFIGURED = {"user": "User", "entrypoint": "Entrypoint", "command": "Cmd"}


@dataclass(frozen=True)
class Recorded:
    """What is known of one image; what is missing in `facts` was read nowhere."""

    name: str
    reference: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def size(self, key: str) -> int | None:
        """Return a recorded size in bytes: `download_mb` or `size_mb`."""
        found = self.facts.get(key)
        return None if found is None else int(found) * 1_000_000


@dataclass(frozen=True)
class Compared:
    """How an image differs from its record, and what there is to record, in sentences."""

    differences: list[str]
    unrecorded: list[str]


def load(root: Path) -> dict[str, Recorded]:
    """Return what is recorded in a checkout, by the name in the catalogue."""
    tables = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    return {
        name: Recorded(name, table.pop("reference"), table)
        for name, table in ((name, dict(found)) for name, found in tables.items())
    }


def configuration(reference: str) -> dict[str, Any]:
    """Return what an image of the engine is configured as, with the record's keys.

    Raises:
        HabariError: the engine has none of that name.
    """
    with translate_errors(f"Image {reference}"):
        found = docker_client.api().inspect_image(reference)  # type: ignore[no-untyped-call]
    config = found["Config"]
    seen: dict[str, Any] = {key: config.get(name) for key, name in CONFIGURED.items()}
    seen = {key: value or ("" if key == "user" else []) for key, value in seen.items()}
    seen["volumes"] = sorted(config.get("Volumes") or {})
    seen["healthcheck"] = (config.get("Healthcheck") or {}).get("Test") or []
    seen["env"] = dict(each.split("=", 1) for each in config.get("Env") or ())
    seen["size_mb"] = round(found["Size"] / 1e6)
    return seen


def compare(recorded: Recorded, offer: Offer, seen: Mapping[str, Any]) -> Compared:
    """Compare a record with what the registry offers and what the image is configured as."""
    known = recorded.facts
    found = {**seen, "download_mb": round(offer.size / 1e6)}
    differences = [
        f"platforms: no {each} among {', '.join(offer.platforms)}"
        for each in known.get("platforms", ())
        if each not in offer.platforms
    ]
    digest = parse(recorded.reference).version
    if digest.startswith("sha256:") and offer.digest not in ("", digest):
        differences.append(f"digest: {offer.digest}, {digest} is recorded")
    for name, value in known.get("env", {}).items():
        if found["env"].get(name) != value:
            differences.append(f"env {name}: {found['env'].get(name)!r}, {value!r} is recorded")
    unrecorded = []
    for key in (*CONFIGURED, "volumes", "healthcheck", "download_mb", "size_mb"):
        if key not in known:
            unrecorded.append(f"{key} = {found[key]!r}")
        elif not _same(known[key], found[key]):
            differences.append(f"{key}: {found[key]!r}, {known[key]!r} is recorded")
    return Compared(differences, unrecorded)


def _same(known: Any, found: Any) -> bool:
    if isinstance(known, int) and isinstance(found, int):
        return abs(found - known) <= known * TOLERANCE
    return bool(known == found)
