"""SBOMs: for each thing that is shipped one list of the packages in it (CycloneDX 1.6, JSON).

The same commit gives the same bytes: time and serial number come from the commit.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scan.locks import ROOT, SHIPPED, Package, packages

ALGORITHMS = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512}
REGISTRIES = {
    "pypi": "https://pypi.org/project/{name}/{version}/",
    "npm": "https://www.npmjs.com/package/{name}/v/{version}",
}


def written(folder: Path) -> list[Path]:
    """Write `habari-NAME.cdx.json` for each that is shipped; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, locks in SHIPPED.items():
        found = {each for lock in locks for each in packages(lock)}
        file = folder / f"habari-{name}.cdx.json"
        text = JsonV1Dot6(bom(name, sorted(found, key=_order))).output_as_string(indent=1)
        file.write_text(text + "\n", encoding="utf-8")
        files.append(file)
    return files


def bom(name: str, found: Sequence[Package]) -> Bom:
    """Return the list of what is in `name`, at the commit that is checked out."""
    commit, when = _commit()
    about = Component(
        name=f"habari-{name}",
        type=ComponentType.APPLICATION,
        version=version("habari-local"),
        bom_ref=f"habari-{name}",
        properties=[Property(name="habari:commit", value=commit)],
    )
    made = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"habari-{name}@{commit}"),
        metadata=BomMetaData(component=about, timestamp=when),
    )
    made.components.update(component(each) for each in found)
    made.register_dependency(about, made.components)
    return made


def component(package: Package) -> Component:
    """Return one package with its hashes and, if it is not for everybody, its condition."""
    group, _, last = package.name.rpartition("/")
    purl = PackageURL(package.registry, group or None, last, package.version)
    hashes = [HashType(alg=ALGORITHMS[name], content=digits) for name, digits in package.hashes]
    at = REGISTRIES[package.registry].format(name=package.name, version=package.version)
    condition = [Property(name="habari:where", value=package.where)] if package.where else []
    return Component(
        name=last,
        group=group or None,
        version=package.version,
        purl=purl,
        bom_ref=f"{purl} {package.where}".strip(),
        properties=condition,
        external_references=[
            ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(at), hashes=hashes)
        ],
    )


def _order(package: Package) -> tuple[str, str, str, str]:
    return package.registry, package.name, package.version, package.where


def _commit() -> tuple[str, datetime]:
    command = ["git", "log", "-1", "--format=%H %cI"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    commit, _, when = said.strip().partition(" ")
    return commit, datetime.fromisoformat(when)
