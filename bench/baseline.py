"""The same parts started by hand: plain jupyterhub with its proxy, moto_server, jupyter lab."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
import requests

from bench.client import Hub, save_in_s3
from bench.ours import Figures
from habari_local.core.paths import Checkout
from habari_local.drivers import uv
from tests.scratch import ROOT, free_offset

CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.args = {arguments}
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}", "admin": True}}]
"""


def environment() -> Path:
    """Make the plain environment: what `pip install` gives, locked, nothing left out."""
    folder = Checkout(ROOT).environments / "baseline"
    uv.sync(folder, ROOT / "bench" / "baseline.txt", os.environ)
    return folder


@contextmanager
def running(folder: Path) -> Iterator[tuple[Hub, str, float, psutil.Process, psutil.Process]]:
    """Start hub (which starts its proxy) and S3 together; yield them when both answer."""
    offset, token = free_offset(), secrets.token_hex(16)
    port, api, hub, s3 = (base + offset for base in (8000, 8001, 8081, 4566))
    config = folder / "jupyterhub_config.py"
    arguments = ["--allow-root"] if os.geteuid() == 0 else []
    ports = {"port": port, "api": api, "hub": hub}
    config.write_text(CONFIG.format(folder=folder, token=token, arguments=arguments, **ports))
    env, proxy = environment() / "bin", Checkout(ROOT).environments / "proxy"
    path = f"{env}:{proxy / 'node_modules' / '.bin'}:{proxy / 'bin'}:{os.environ['PATH']}"
    # Both sides have their compiled caches: without them the plain parts would look far worse.
    variables = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    log = (folder / "log").open("ab")
    began = time.perf_counter()
    commands = (
        [str(env / "jupyterhub"), "-f", str(config)],
        [str(env / "moto_server"), "-H", "127.0.0.1", "-p", str(s3)],
    )
    started = [
        psutil.Process(
            subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log).pid
        )
        for command in commands
    ]
    try:
        for url in (f"http://127.0.0.1:{port}/hub/health", f"http://127.0.0.1:{s3}/"):
            _wait_for(url)
        seconds = time.perf_counter() - began
        made = Hub(f"http://127.0.0.1:{port}", token), f"http://127.0.0.1:{s3}"
        yield *made, seconds, started[0], started[1]
    finally:
        everything = [*started, *(child for each in started for child in each.children(True))]
        for process in everything:
            process.terminate()
        psutil.wait_procs(everything, timeout=20)
        log.close()


def _wait_for(url: str) -> None:
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.02)


def pss(*roots: psutil.Process) -> float:
    """Return the memory of processes and their descendants in MB (proportional share)."""
    everything = [each for root in roots for each in (root, *root.children(recursive=True))]
    return sum(each.memory_full_info().pss for each in everything) / 1e6


def measure(folder: Path, runs: int) -> list[Figures]:
    """Measure `runs` lives after one that is not counted."""
    figures = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        with running(folder) as (hub, s3, up, *processes):
            run: Figures = {"up": up, "spawn": hub.spawn("grace")}
            hub.save("grace", "first.ipynb")
            run["first_save"] = time.perf_counter() - began
            run["save"] = median(hub.save("grace", f"n{n}.ipynb") for n in range(20))
            requests.put(f"{s3}/bench", timeout=5).raise_for_status()
            run["s3_save"] = save_in_s3(s3, ("any", "any"), "bench")
            run["list"] = median(hub.listing("grace", "") for _ in range(5))
            run["memory_one"] = pss(*processes)
            hub.stop("grace")
            run["memory_idle"] = pss(*processes)
            ending = time.perf_counter()
        run["down"] = time.perf_counter() - ending
        figures.append(run)
    return figures[1:]
