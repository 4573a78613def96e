"""The environments of the other contents managers, which are in no lock of this repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

OTHERS = {
    "s3contents": ["s3contents==0.13.*", "hybridcontents==0.4.*", "jupyterlab==4.6.*"],
    "jupyter-fs": ["jupyter-fs==1.2.1", "s3fs", "jupyterlab==4.6.*"],
}
PYTHON = "3.12"


def variable(name: str) -> str:
    """The variable of the environment that says which Python a contender runs in."""
    return f"COMPARE_{name.upper().replace('-', '_')}"


def made(folder: Path, uv: str) -> dict[str, str]:
    """Recreate them in a folder, by this uv; return the variable of each and its Python."""
    found = {}
    for name, packages in OTHERS.items():
        own = folder / f"compare-{name}"
        make = [uv, "venv", "--quiet", "--no-project", "--clear", "--python", PYTHON, str(own)]
        subprocess.run(make, check=True)
        inside = str(own / "bin" / "python")
        install = [uv, "pip", "install", "--quiet", "--python", inside]
        subprocess.run([*install, *packages], check=True)
        found[variable(name)] = inside
    return found
