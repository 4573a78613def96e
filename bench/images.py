"""Sizes and times of the images: `python -m bench.images [--cold]` writes its page.

`--cold` builds what the Compose modes run in a clone whose base is another one, so that nothing is
there but the package caches, and removes it again: some minutes. Kubernetes' programs are built
from source; their build is not part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from habari_local.drivers.docker import client as docker_client
from habari_local.images.catalogue import load
from tests.images.upstream_like import built
from tests.scratch import ROOT

PACKAGES = ("--set", "HABARI_IMAGES=packages")
HEAD = """\
# Bench of the images

`python -m bench.images` made this page: sizes as the engine tells them, seconds as median (min-max)
of {runs} runs on {cores} cores, HABARI_IMAGES=packages.

"""
SETTLE, IDLE_SECONDS = 5, 60  # seconds: from an answer to rest; what is measured
CATALOGUE = Path("habari_local/images/catalogue.toml")


def image(root: Path, *arguments: str) -> tuple[Any, float]:
    """Run `habari-local image` in a checkout; return its JSON and the seconds that it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "habari_local", "image", *arguments, "--json"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout), time.monotonic() - began


def cold() -> float:
    """Return the seconds that all images take from warm package caches and nothing else."""
    with tempfile.TemporaryDirectory(prefix="habari-bench-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        text = (clone / CATALOGUE).read_text(encoding="utf-8")
        other = text.replace('as_of = "', f'as_of = "bench {time.time():.0f} ')
        (clone / CATALOGUE).write_text(other, encoding="utf-8")
        try:
            images = load("packages").items()
            names = [name for name, each in images if {"hub", "nohub"} & {*each.modes}]
            return image(clone, "build", *names, *PACKAGES)[1]
        finally:
            image(clone, "prune", "--all", "--yes")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.images")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    image(ROOT, "build", *PACKAGES)
    rows = [(f"image {name}", size, goal) for name, size, goal in sizes()]
    rows += [(f"idle server on a base like docker-stacks, {how}", *row) for how, row in idle()]
    unchanged = [image(ROOT, "build", *PACKAGES)[1] for _ in range(arguments.runs)]
    shown = f"{median(unchanged):.2f} s ({min(unchanged):.2f}-{max(unchanged):.2f})"
    rows.append(("all images, unchanged", shown, "2 s"))
    if arguments.cold:
        rows.append(("all images, package caches alone", f"{cold():.0f} s", "360 s"))
    lines = ["| what | ours | goal |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    drawn = HEAD.format(runs=arguments.runs, cores=os.cpu_count()) + "\n".join(lines) + "\n"
    sys.stdout.write(drawn)
    page = ROOT / "docs" / "reference" / "bench-images.md"
    page.write_text(drawn, encoding="utf-8")


def idle() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what a server costs that nobody uses: by itself, and with the base's own check."""
    reference = built().reference("notebook")
    check = ("--health-cmd", "/etc/jupyter/docker_healthcheck.py", "--health-interval", "3s")
    for how, options, goal in (("60 s", (), "0.2 %"), ("with the base's own check", check, "")):
        yield how, (f"{idle_percent(reference, options):.3f} % of a core", goal)


def idle_percent(reference: str, options: Sequence[str]) -> float:
    """Return the share of a core, in percent, that a server in a container takes over a minute."""
    made = subprocess.run(
        ["docker", "run", "--detach", "--rm", *options, reference],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    try:
        listening = ["docker", "exec", made, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8888"]
        while subprocess.run(listening, capture_output=True, check=False).returncode:
            time.sleep(0.5)
        time.sleep(SETTLE)
        before, began = _spent(made), time.monotonic()
        time.sleep(IDLE_SECONDS)
        return (_spent(made) - before) / (time.monotonic() - began) * 100
    finally:
        docker_client.api().remove_container(made, force=True, v=True)


def _spent(container: str) -> float:
    """Return the seconds of processor time of all that ever ran in a container."""
    seen = docker_client.api().stats(container, stream=False)
    return float(seen["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def sizes() -> list[tuple[str, str, str]]:
    """Return name, size and limit of each image."""
    limits = {name: each.limit_mb for name, each in load("packages").items()}
    listed = image(ROOT, "list", *PACKAGES)[0]["images"]
    return [
        (each["name"], f"{each['size_bytes'] / 1e6:.0f} MB", f"{limits[each['name']]} MB")
        for each in listed
        if limits[each["name"]]
    ]


if __name__ == "__main__":
    main()
