"""Installs the base image's kernels into our environment; they start as the base starts them.

Runs once, while the image is built, with the base's PATH and our environment's Python. Of the
base's Jupyter nothing else is taken: neither its configuration nor its JupyterLab extensions, whose
server half is in another environment than our server (docs/adr/0070).
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KERNELS = Path(sys.prefix, "share", "jupyter", "kernels")
PREFIX = "base-"  # of a kernel whose name is one of ours


def base_kernels(jupyter: str) -> dict[str, Any]:
    """Return the kernels that the base's own Jupyter lists: name → its folder and its spec.

    It has a home of its own meanwhile: what it makes in the user's would be root's. A kernel in the
    user's home is found, and copied out of where a volume hides it.
    """
    home = Path.home() / ".local" / "share" / "jupyter"
    path = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH", "")]))
    command = [jupyter, "kernelspec", "list", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "HOME": folder, "JUPYTER_PATH": path}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    listed = done.stdout
    found: dict[str, Any] = json.loads(listed[listed.index("{") :])["kernelspecs"]
    return found


def adapted(spec: dict[str, Any], jupyter: str, *, renamed: bool) -> dict[str, Any]:
    """Return a spec that starts the same program from a server of another environment.

    A bare `python` would be replaced by the server's own, and what the kernel calls by name (pip,
    R's compilers) is looked for in the base's folders before ours.
    """
    program, *arguments = spec["argv"]
    path = os.environ["PATH"]
    own = f"{Path(jupyter).parent}{os.pathsep}{path}"
    title = f"{spec['display_name']} of the base image" if renamed else spec["display_name"]
    return {
        **spec,
        "argv": [shutil.which(program, path=own) or program, *arguments],
        "display_name": title,
        "env": {"PATH": f"{path}{os.pathsep}${{PATH}}", **(spec.get("env") or {})},
    }


def main() -> None:
    """Install each kernel of the base; a base without Jupyter has none."""
    jupyter = shutil.which("jupyter")
    if jupyter is None:
        return
    ours = {each.name for each in KERNELS.iterdir()}
    for name, kernel in base_kernels(jupyter).items():
        target = KERNELS / (PREFIX + name if name in ours else name)
        shutil.copytree(kernel["resource_dir"], target)
        spec = adapted(kernel["spec"], jupyter, renamed=name in ours)
        (target / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"kernel {target.name}: {spec['argv'][0]}\n")


if __name__ == "__main__":
    main()
