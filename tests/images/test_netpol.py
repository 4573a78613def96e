"""NetworkPolicies on a node made from packages, with real packets."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from habari_local.images.build import Images

FOLDER = Path(__file__).parents[1] / "netpol"


def test_packets_go_as_the_table_of_cases_says(images: Images) -> None:
    table = YAML(typ="safe").load((FOLDER / "cases.yaml").read_text(encoding="utf-8"))
    command = [
        "docker",
        "run",
        "--rm",
        "-i",
        "--privileged",
        "--network=none",
        "--entrypoint=python3",
    ]
    command += [f"--volume={FOLDER}:/opt/tests/netpol:ro", "--env=PYTHONDONTWRITEBYTECODE=1"]
    command += ["--env=PYTHONPATH=/opt:/usr/local/lib/habari", images.reference("node")]
    done = subprocess.run(
        [*command, "-m", "tests.netpol.packets"],
        input=json.dumps(table),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
