"""One trial: all users come, all run for a while, the hub is restarted, all servers are culled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.simulated import hub_profile
from bench.simulated.parts import Platform, Trial

STEPS = ("sign in", "start the server", "open it", "all of it")
CULL_SECONDS = 3600.0


@dataclass
class Found:
    """What a trial found, in seconds and bytes."""

    trial: Trial
    come: Sequence[Any] = ()
    come_seconds: float = 0.0
    come_effort: Counter[str] = field(default_factory=Counter)
    steady_seconds: float = 0.0
    steady_effort: Counter[str] = field(default_factory=Counter)
    steady_told: Counter[str] = field(default_factory=Counter)
    probes: Sequence[Any] = ()
    memory: dict[str, float] = field(default_factory=dict)
    restart: dict[str, float] = field(default_factory=dict)
    cull: dict[str, float] = field(default_factory=dict)
    profiles: dict[str, Path] = field(default_factory=dict)


def run(
    trial: Trial, folder: Path, within: float, steady: float, profiled: bool, whole: bool = True
) -> Found:
    """Run a trial, without restart and cull unless it is `whole`; it writes to `folder`."""
    platform, found = Platform(folder, trial), Found(trial)
    with platform.running():
        _say(f"{trial.users} users come within {within:g} s")
        with _profiled(platform, found, "come", profiled):
            before, began = platform.effort(), time.perf_counter()
            found.come = platform.crowd(trial.names, within)
            found.come_seconds = time.perf_counter() - began
            found.come_effort = platform.effort() - before
        found.memory = platform.memory()
        running = len(platform.servers()["running"])
        _say(f"{found.come_seconds:.0f} s; {running} servers run; {steady:g} s with all of them")
        with _profiled(platform, found, "steady", profiled):
            _steady(platform, found, steady)
        found.probes = platform.crowd(trial.probes, within=2.0 * len(trial.probes))
        if not whole:
            return found
        _say("the hub is restarted")
        found.restart = _restart(platform, running + len(trial.probes))
        _say("all are culled")
        with _profiled(platform, found, "cull", profiled):
            found.cull = _cull(platform)
    return found


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _profiled(platform: Platform, found: Found, name: str, wanted: bool) -> ExitStack:
    stack = ExitStack()
    if wanted:
        found.profiles[name] = platform.folder / f"{name}.folded"
        pid = platform.parts["hub"].pid
        stack.enter_context(hub_profile.sampled(pid, found.profiles[name]))
    return stack


def _steady(platform: Platform, found: Found, seconds: float) -> None:
    before, told = platform.effort(), Counter(platform.servers()["told"])
    began = time.perf_counter()
    time.sleep(seconds)
    found.steady_seconds = time.perf_counter() - began
    found.steady_effort = platform.effort() - before
    found.steady_told = Counter(platform.servers()["told"]) - told


def _restart(platform: Platform, running: int) -> dict[str, float]:
    began = time.perf_counter()
    platform.end("hub")
    stopped = time.perf_counter() - began
    up = platform.start_hub()
    deadline = time.monotonic() + 600
    while platform.log_count("still running") < running and time.monotonic() < deadline:
        time.sleep(0.5)
    known = time.perf_counter() - began
    lost = running - len(platform.servers()["running"])
    effort = platform.effort()["hub"]
    return {
        "servers": running,
        "stop": stopped,
        "up": up,
        "known": known,
        "lost": lost,
        "effort": effort,
    }


def _cull(platform: Platform) -> dict[str, float]:
    """Stop all servers as the chart's culler does: ten at a time."""
    platform.servers("/idle", "POST")
    time.sleep(3)
    count = len(platform.servers()["running"])
    before, began = platform.effort(), time.perf_counter()
    command = [str(platform.python), "-m", "jupyterhub_idle_culler", "--timeout=1"]
    api = f"--url={platform.at('hub')}/hub/api"
    env = {**os.environ, "JUPYTERHUB_API_TOKEN": platform.culler_token}
    with (platform.folder / "culler.log").open("ab") as log:
        culler = subprocess.Popen(
            [*command, api, "--cull-every=3600"], env=env, stdout=log, stderr=log
        )
        try:
            deadline = time.monotonic() + CULL_SECONDS
            while platform.servers()["running"] and time.monotonic() < deadline:
                time.sleep(0.5)
        finally:
            culler.terminate()
            culler.wait(20)
    effort = platform.effort() - before
    left = len(platform.servers()["running"])
    seconds = time.perf_counter() - began
    return {"servers": count, "left": left, "seconds": seconds, "effort": effort["hub"]}


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, p95 and longest."""
    ordered = sorted(values)
    return median(ordered), quantiles(ordered, n=20)[-1], ordered[-1]


def as_data(found: Found) -> str:
    """Return the figures as JSON, without what each user saw."""
    data = {
        "users": found.trial.users,
        "tried": found.trial.tried,
        "come_seconds": found.come_seconds,
        "come_effort": found.come_effort,
        "errors": Counter(each["error"][:60] for each in found.come if each["error"]),
        "later": sum(each["later"] for each in found.come),
        "steps": {step: spread(seen(found.come, step)) for step in STEPS},
        "steady_seconds": found.steady_seconds,
        "steady_effort": found.steady_effort,
        "steady_told": found.steady_told,
        "probe_errors": [each["error"] for each in found.probes if each["error"]],
        "probes": {step: spread(seen(found.probes, step)) for step in STEPS},
        "memory": found.memory,
        "restart": found.restart,
        "cull": found.cull,
    }
    return json.dumps(data, indent=1)


def seen(people: Sequence[Any], step: str) -> list[float]:
    """Return the seconds of a step of all who came through it."""
    return [each["seconds"][step] for each in people if step in each["seconds"]] or [0.0, 0.0]
