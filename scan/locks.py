"""Locks of this repository: which there are for what is shipped, and what each of them names."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
# What is shipped → the locks of what is in it, apart from Debian's packages in its image.
SHIPPED = {
    "tool": ("uv.lock",),
    "hub": ("hub/requirements.txt", "hub/requirements-docker.txt"),
    "notebook": ("jupyter/requirements.txt",),
    "proxy": ("images/proxy/requirements.txt", "images/proxy/package-lock.json"),
    "s3-moto": ("images/s3/requirements-moto.txt",),
    "s3-localstack": ("images/s3/requirements-localstack.txt",),
    "values-check": ("hub/requirements-k8s-hub.txt",),  # what `config check` runs values on
}


@dataclass(frozen=True)
class Package:
    """One package at one version; hashes are (algorithm, hex digits), `where` its condition."""

    registry: str
    name: str
    version: str
    hashes: tuple[tuple[str, str], ...]
    where: str = ""


def packages(lock: str) -> list[Package]:
    """Return what a lock names; raises ValueError for a line that pins nothing."""
    if lock.endswith("package-lock.json"):
        return list(_of_npm((ROOT / lock).read_text(encoding="utf-8")))
    return list(_of_python(requirements(lock)))


def requirements(lock: str) -> str:
    """Return a lock of Python packages as requirements with hashes, without what tests need."""
    if lock != "uv.lock":
        return (ROOT / lock).read_text(encoding="utf-8")
    options = ("--frozen", "--no-dev", "--no-emit-project", "--no-annotate")
    command = [find_uv_bin(), "export", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _of_python(text: str) -> Iterator[Package]:
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        wanted, *digests = re.split(r"\s--hash=", line)
        requirement = Requirement(wanted.strip())
        pinned = [each.version for each in requirement.specifier if each.operator == "=="]
        if len(pinned) != 1 or not digests:
            raise ValueError(f"{wanted.strip()}: one version and its hashes were expected")
        hashes = tuple(sorted(_pair(each.strip()) for each in digests))
        yield Package("pypi", requirement.name, pinned[0], hashes, str(requirement.marker or ""))


def _pair(digest: str) -> tuple[str, str]:
    algorithm, _, digits = digest.partition(":")
    return algorithm, digits


def _of_npm(text: str) -> Iterator[Package]:
    for place, about in json.loads(text)["packages"].items():
        if place and not about.get("dev"):
            algorithm, _, digest = about["integrity"].partition("-")
            hashes = ((algorithm, base64.b64decode(digest).hex()),)
            name = place.rpartition("node_modules/")[2]
            yield Package("npm", name, about["version"], hashes)
