#!/usr/bin/env python3
"""Makes OCI archives in a folder, each an image of a few programs and of what those need to run."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")}
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"  # unpacks several times faster than gzip
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as the kernel names them → as OCI does
TABLES = [f"ip{v}tables{verb}" for v in ("", "6") for verb in ("", "-save", "-restore")]


@dataclass(frozen=True)
class Recipe:
    """One image: `programs` of Kubernetes, in /usr/local/bin, and `system`, files of this one."""

    name: str
    programs: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)


def recipes(wanted: Iterable[str]) -> list[Recipe]:
    """Return the images under the names that kubeadm wants them under, and our own."""
    modules = [str(path) for path in Path("/usr/lib").glob("*/xtables/*.so")]
    proxy = (*(f"/usr/sbin/{each}" for each in TABLES), "/usr/sbin/conntrack", *modules)
    beside = {"kube-proxy": proxy}
    named = {re.sub(r".*/([^:/]+):.*", r"\1", name): name for name in wanted}
    shell = {f"usr/bin/{name}": "busybox" for name in ("sh", "mkdir", "rm", "chmod")}
    return [
        *(Recipe(name, (part,), beside.get(part, ())) for part, name in named.items()),
        Recipe("habari.local/local-path-provisioner:1", ("local-path-provisioner",)),
        Recipe("habari.local/shell:1", (), ("/usr/bin/busybox",), shell),
        # Nothing but these links: for a pod that runs the node's own programs, with /usr mounted.
        Recipe("habari.local/node:1"),
    ]


def with_libraries(paths: Iterable[str]) -> set[Path]:
    """Return those files and the libraries that they are linked with."""
    found = {Path(each) for each in paths}
    for path in list(found):
        listed = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
        found |= {Path(each) for each in re.findall(r"(/\S+\.so\S*) ?\(0x", listed.stdout)}
    return found


def layer(recipe: Recipe, programs: Path) -> bytes:
    """Return the image's files as a tar archive, the same bytes for the same files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:

        def add(name: str, *, link: str = "", source: Path | None = None) -> None:
            entry = tarfile.TarInfo(name)
            if source is None:
                entry.type, entry.linkname = (
                    (tarfile.SYMTYPE, link) if link else (tarfile.DIRTYPE, "")
                )
                entry.mode = 0o755
                tar.addfile(entry)
                return
            entry.size, entry.mode = source.stat().st_size, source.stat().st_mode & 0o777
            with source.open("rb") as file:
                tar.addfile(entry, file)

        for name, link in {**LINKS, **recipe.links}.items():
            add(name, link=link)
        for name in ("usr", "tmp"):
            add(name)
        for name in recipe.programs:
            add(f"usr/local/bin/{name}", source=programs / name)
        for path in sorted(with_libraries(recipe.system)):
            real = path.resolve()
            place = path.parent.resolve() / path.name
            if real != place:
                add(str(place).lstrip("/"), link=str(real))
            add(str(real).lstrip("/"), source=real)
    return made.getvalue()


def write(recipe: Recipe, programs: Path, target: Path) -> None:
    """Write one image as an OCI archive."""
    files = layer(recipe, programs)
    packed = subprocess.run(
        ["zstd", "--quiet", "-T0", "-6"], input=files, capture_output=True, check=True
    ).stdout
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin"],
            "Entrypoint": [f"/usr/local/bin/{name}" for name in recipe.programs[:1]],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(files).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(CONFIG, json.dumps(config).encode()),
        "layers": [blob(LAYER, packed)],
    }
    listed = blob(MANIFEST, json.dumps(manifest).encode())
    listed["annotations"] = {"io.containerd.image.name": recipe.name}
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    with tarfile.open(target, "w") as tar:
        for name, content in blobs.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def main(programs: Path, target: Path) -> None:
    """Write every image of a control plane."""
    command = [str(programs / "kubeadm"), "config", "images", "list"]
    version = subprocess.run(
        [command[0], "version", "-o", "short"], capture_output=True, text=True, check=True
    )
    command += ["--kubernetes-version", version.stdout.strip()]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    target.mkdir()
    for number, recipe in enumerate(recipes(listed.stdout.split())):
        write(recipe, programs, target / f"{number}.tar")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
