"""Processor time that a platform has spent so far, by part; that of the crowd too."""

from __future__ import annotations

import time
from collections import Counter

import psutil

from habari_local.drivers import engine
from tests.scratch import Scratch

SERVERS, CROWD, ENGINE = "users' servers", "the crowd itself", "the engine"
Effort = Counter[str]  # part → seconds of processor time


def spent(scratch: Scratch, mode: str) -> Effort:
    """Return what all that runs has spent; what has ended is counted by whoever waited for it."""
    found: Effort = Counter()
    found[CROWD] += _of(psutil.Process(), children=False)
    if mode == "process":
        for each in scratch.found():
            part = SERVERS if each.user else each.service
            found[part or SERVERS] += _of(each.process)
        return found
    for container in scratch.containers(mode):
        pid = engine.api().inspect_container(container.id)["State"]["Pid"]
        part = SERVERS if container.user else container.service
        found[part] += _tree(psutil.Process(pid))
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in ("dockerd", "containerd", "containerd-shim-runc-v2"):
            found[ENGINE] += _of(process)
    return found


def _tree(process: psutil.Process) -> float:
    return _of(process) + sum(_of(child) for child in process.children(recursive=True))


def _of(process: psutil.Process, *, children: bool = True) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    own = times.user + times.system
    return own + times.children_user + times.children_system if children else own


def idle(seconds: float = 1.0) -> float:
    """Return how many cores the rest of the machine leaves free just now."""
    before = psutil.cpu_times()
    time.sleep(seconds)
    return (psutil.cpu_times().idle - before.idle) / seconds
