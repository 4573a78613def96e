"""Our platform in process mode, measured through its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.client import Hub, save_in_s3
from tests.scratch import ROOT, Scratch, free_offset, scratch_checkout
from tests.shells import shells

Figures = dict[str, float]


def pss(scratch: Scratch) -> float:
    """Return the memory of everything that runs, in MB (proportional share)."""
    return sum(found.memory() for found in scratch.found()) / 1e6


def timed(scratch: Scratch, *arguments: str) -> float:
    """Run habari-local; return the seconds it took as a person sees it."""
    began = time.perf_counter()
    scratch.good(*arguments)
    return time.perf_counter() - began


def slowest(scratch: Scratch) -> float:
    """Return the seconds of the slowest `up` of ten shells, none of which has anything to do."""
    seconds = []
    for shell in shells(scratch).values():
        began = time.perf_counter()
        shell.run().check_returncode()
        seconds.append(time.perf_counter() - began)
    return max(seconds)


def one_run(scratch: Scratch) -> Figures:
    """Measure one life: up, spawn, save, list, memory, down."""
    figures: Figures = {}
    began = time.perf_counter()
    scratch.good("up")
    figures["up"] = time.perf_counter() - began
    where = json.loads((scratch.state / "process" / "bench.json").read_text())
    hub = Hub(where["hub_url"], where["hub_api_token"])
    figures["spawn"] = hub.spawn("grace")
    hub.save("grace", "notebooks/first.ipynb")
    figures["first_save"] = time.perf_counter() - began
    saves = [hub.save("grace", f"notebooks/n{number}.ipynb") for number in range(20)]
    figures["save"] = median(saves)
    s3 = where["s3"]
    key = (s3["access_key_id"], s3["secret_access_key"])
    figures["s3_save"] = save_in_s3(s3["endpoint_url"], key, s3["notebooks_bucket"])
    figures["list"] = median(hub.listing("grace", "notebooks") for _ in range(5))
    figures["memory_one"] = pss(scratch)
    hub.stop("grace")
    figures["memory_idle"] = pss(scratch)
    figures["second_up"] = timed(scratch, "up")
    figures["shells"] = slowest(scratch)
    figures["status"] = timed(scratch, "status")
    figures["edit"] = edit(scratch, "hub/habari_hub/takeover.py")
    figures["down"] = timed(scratch, "down")
    figures["left"] = float(len(scratch.found()) + len(scratch.listening()))
    return figures


def edit(scratch: Scratch, name: str) -> float:
    """Save an edited file under `up --watch`; return the seconds until it is in effect."""
    watching = scratch.start("up", "--watch")
    said = iter(watching.stdout or ())
    next(line for line in said if line.startswith("Watching"))
    file = scratch.root / name
    began = time.perf_counter()
    file.write_text(file.read_text() + "\n")
    next(line for line in said if "in effect after" in line)
    seconds = time.perf_counter() - began
    watching.kill()
    watching.communicate()
    return seconds


def measure(folder: Path, runs: int) -> list[Figures]:
    """Measure `runs` lives after one that is not counted."""
    with scratch_checkout(folder) as scratch:
        scratch.good("up")
        where = scratch.endpoints()
        (scratch.state / "process" / "bench.json").write_text(json.dumps(where))
        Hub(where["hub_url"], where["hub_api_token"]).spawn("grace")
        scratch.good("down")
        help_ = min(timed(scratch, "--help") for _ in range(5))
        return [{**one_run(scratch), "help": help_} for _ in range(runs)]


def suite() -> Figures:
    """Return the seconds of the end-to-end suite from `up` to `down`; nothing if it fails."""
    command = [sys.executable, "-m", "habari_local", "e2e", "--mode", "process"]
    offset = {"HABARI_PORT_OFFSET": str(free_offset())}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **offset}, check=False)
    return {"e2e": time.perf_counter() - began} if done.returncode == 0 else {}


def cold(folder: Path) -> float:
    """Return the seconds of the first `up` of a machine: nothing installed, caches empty."""
    with scratch_checkout(folder) as scratch:
        (scratch.state / "envs").unlink()
        caches = {
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "npm_config_cache": str(folder / "npm-cache"),
        }
        began = time.perf_counter()
        scratch.good("up", **caches)
        seconds = time.perf_counter() - began
        scratch.good("down")
        return seconds
