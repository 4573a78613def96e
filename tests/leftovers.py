"""What a scratch checkout has left on this machine, of all kinds that `down` must take away.

Other checkouts may be at work beside it, so nothing is compared that can't be told apart: a thing
counts if it carries the checkout's label, id or path, or belongs to a network or container that the
engine's own record of events says was this checkout's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from habari_local.core import polling
from habari_local.drivers.docker import client as docker_client
from tests.scratch import Scratch

NODE = "io.x-k8s.kind.cluster"  # kind's label
SETTLING = 5.0  # seconds for the kernel to be done with what is gone


def left_by(scratch: Scratch, *, volumes: bool = False) -> dict[str, list[str]]:
    """All that is left, by kind; only kinds of which something is. Data is kept but by wipe."""
    deadline = time.monotonic() + SETTLING
    while (found := _left(scratch, volumes=volumes)) and time.monotonic() < deadline:
        polling.pause(0.1)
    return found


def _left(scratch: Scratch, *, volumes: bool) -> dict[str, list[str]]:
    kinds: dict[str, Iterable[str]] = {
        "processes": _processes(scratch),
        "ports": map(str, scratch.listening()),
        "sockets": _unix_sockets(scratch),
        "temporary files": map(str, scratch.temporary.iterdir()),
    }
    ids: set[str] = set()
    if docker_client.reachable():
        kinds |= _of_engine(scratch, volumes=volumes)
        ids = _once_of_engine(scratch)
    marks = {str(scratch.root), scratch.id, *ids}
    kinds["mounts"] = _lines_with(Path("/proc/mounts").read_text(encoding="utf-8"), marks)
    bridges = {f"br-{each[:12]}" for each in ids}
    kinds["network interfaces"] = bridges & set(psutil.net_if_addrs())
    kinds["packet filter"] = _lines_with(_packet_filter(), bridges)
    listed = {kind: sorted(found) for kind, found in kinds.items()}
    return {kind: found for kind, found in listed.items() if found}


def _processes(scratch: Scratch) -> Iterator[str]:
    """Ours by label, and any that runs in or from the checkout without one."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    labelled = {each.process.pid for each in scratch.found()}
    for process in psutil.process_iter(["pid", "cwd", "cmdline", "status"]):
        about = process.info
        if about["pid"] in mine or about["status"] == psutil.STATUS_ZOMBIE:
            continue
        said = " ".join(about["cmdline"] or ())
        inside = Path(about["cwd"] or "/").is_relative_to(scratch.root)
        if about["pid"] in labelled or inside or str(scratch.root) in said:
            yield f"{about['pid']} {said[:120]}"


def _unix_sockets(scratch: Scratch) -> Iterator[str]:
    for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines():
        if str(scratch.root.parent) in line:
            yield line.split()[-1]


def _of_engine(scratch: Scratch, *, volumes: bool) -> dict[str, Iterable[str]]:
    api = docker_client.api()
    containers = [
        each["Names"][0]
        for each in api.containers(all=True)
        # A node that is stopped holds what people made, as volumes do.
        if volumes or each["State"] == "running" or NODE not in each["Labels"]
    ]
    networks = [each["Name"] for each in api.networks()]
    kept = [each["Name"] for each in api.volumes()["Volumes"] or ()] if volumes else []
    named = {"containers": containers, "networks": networks, "volumes": kept}
    return {kind: [n for n in names if scratch.id in n] for kind, names in named.items()}


def _once_of_engine(scratch: Scratch) -> set[str]:
    """The ids of all networks and containers that were this checkout's at any time."""
    events = docker_client.api().events(
        since=int(scratch.made),
        until=int(time.time()) + 1,
        filters={"type": ["network", "container"], "event": "create"},
        decode=True,
    )
    actors = [event["Actor"] for event in events]
    return {each["ID"] for each in actors if scratch.id in each["Attributes"].get("name", "")}


def _packet_filter() -> str:
    if os.geteuid() != 0 or shutil.which("iptables-save") is None:
        return ""
    return subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout


def _lines_with(text: str, marks: Iterable[str]) -> list[str]:
    wanted = tuple(marks)
    return [line for line in text.splitlines() if any(mark in line for mark in wanted)]
