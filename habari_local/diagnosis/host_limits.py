"""What of the host runs out, or is used twice: inotify, Docker's addresses, routes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from habari_local.core.errors import HabariError
from habari_local.diagnosis.requirements import (
    NOT_RUNNING,
    TOO_LITTLE,
    Finding,
    Requirement,
    always,
)
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import engine as docker_engine

# kind's own figures, "pod errors due to too many open files" in
# https://kind.sigs.k8s.io/docs/user/known-issues/
INOTIFY = {"max_user_instances": 512, "max_user_watches": 524_288}
SETTINGS = Path("/proc/sys/fs/inotify")
ROUTES = Path("/proc/net/route")
# What an engine has where its daemon.json says nothing, "automatic subnet allocation" in
# https://docs.docker.com/engine/network/
POOLS: tuple[tuple[str, int], ...] = (
    *((f"172.{n}.0.0/16", 16) for n in range(17, 32)),
    ("192.168.0.0/16", 20),
)
# Podman's, "default_subnet_pools" in
# https://github.com/containers/common/blob/main/docs/containers.conf.5.md
PODMAN_POOLS: tuple[tuple[str, int], ...] = (
    *(("10.89.0.0/16", 24), ("10.90.0.0/15", 24), ("10.92.0.0/14", 24)),
    *(("10.96.0.0/11", 24), ("10.128.0.0/9", 24)),
)
BRIDGES = ("br-", "docker", "veth", "podman")  # how engines' own interfaces begin
SPARE = 5  # networks: of the platform itself, and of a few users
MORE_POOLS = '{"default-address-pools": [{"base": "10.128.0.0/12", "size": 26}]}'
FIX_POOLS = f"add {MORE_POOLS} to /etc/docker/daemon.json, then: sudo systemctl restart docker"


@dataclass(frozen=True)
class Route:
    """Addresses that the host sends through an interface."""

    to: IPv4Network
    interface: str


def inotify_values(folder: Path = SETTINGS) -> dict[str, int]:
    """Return the limits that are set; nothing where the system has none of these."""
    found = {}
    for name in INOTIFY:
        try:
            found[name] = int((folder / name).read_text())
        except (OSError, ValueError):
            continue
    return found


def _inotify(_: Mapping[str, str]) -> Finding:
    found = inotify_values()
    low = [
        f"{name} {found[name]}" for name, least in INOTIFY.items() if found.get(name, least) < least
    ]
    if not low:
        return Finding("enough" if found else "not of this system", good=True)
    detail = f"{', '.join(low)}: pods end with 'too many open files' when many run"
    return Finding(low[0].rpartition(" ")[2], good=False, state=TOO_LITTLE, detail=detail)


def capacity(pools: Iterable[tuple[str, int]]) -> int:
    """Return how many networks fit into pools of addresses: (base, length of each prefix)."""
    return sum(1 << max(0, size - ip_network(base).prefixlen) for base, size in pools)


def subnets(networks: Sequence[Mapping[str, Any]]) -> dict[str, list[IPv4Network]]:
    """Return the IPv4 subnets of each of the engine's networks."""
    found: dict[str, list[IPv4Network]] = {}
    for each in networks:
        for part in (each.get("IPAM") or {}).get("Config") or ():
            net = ip_network(part.get("Subnet") or "::/0", strict=False)
            if isinstance(net, IPv4Network):
                found.setdefault(each["Name"], []).append(net)
    return found


def routes(text: str) -> list[Route]:
    """Return the host's routes to networks, by /proc/net/route; the default one is none."""
    found = []
    for line in text.splitlines()[1:]:
        interface, target, *_, mask = line.split()[:8]
        address, bits = _reversed(target), f"{int(mask, 16):b}".count("1")
        if bits:
            found.append(Route(IPv4Network((address, bits)), interface))
    return found


def collisions(networks: Mapping[str, Sequence[IPv4Network]], known: Sequence[Route]) -> list[str]:
    """Return which of the engine's networks have addresses that the host sends elsewhere."""
    return [
        f"network {name} ({net}) and the route to {route.to} through {route.interface}"
        for name, nets in networks.items()
        for net in nets
        for route in known
        if not route.interface.startswith(BRIDGES) and net.overlaps(route.to)
    ]


def _pools(_: Mapping[str, str]) -> Finding:
    try:
        info = docker_client.api().info()
        networks = docker_client.api().networks()
        podman = docker_engine.current().name == docker_engine.PODMAN
    except HabariError as error:
        return Finding("no answer", good=False, fix=error.hint, state=NOT_RUNNING)
    own = [(each["Base"], int(each["Size"])) for each in info.get("DefaultAddressPools") or ()]
    have = capacity(own or (PODMAN_POOLS if podman else POOLS))
    free = max(0, have - len(subnets(networks)))
    return Finding(f"{free} free", good=free >= SPARE, state=TOO_LITTLE)


def _routes(_: Mapping[str, str]) -> Finding:
    if not sys.platform.startswith("linux") or not ROUTES.is_file():
        return Finding("not looked at", good=True)
    try:
        networks = docker_client.api().networks()
    except HabariError as error:
        return Finding("no answer", good=False, fix=error.hint, state=NOT_RUNNING)
    found = collisions(subnets(networks), routes(ROUTES.read_text(encoding="utf-8")))
    if not found:
        return Finding("no collision", good=True)
    detail = f"{'; '.join(found)}: containers or the VPN can't be reached"
    return Finding(f"{len(found)} twice", good=False, state="collides", detail=detail)


def _reversed(word: str) -> int:
    """Return an address of /proc/net/route, whose bytes are in the machine's order."""
    return int.from_bytes(int(word, 16).to_bytes(4, sys.byteorder), "big")


LIMITS = Requirement(
    "inotify",
    f"{INOTIFY['max_user_instances']} instances",
    always("sudo sysctl " + " ".join(f"fs.inotify.{name}={n}" for name, n in INOTIFY.items())),
    _inotify,
    optional="many pods",
)
ADDRESSES = Requirement("networks", f"{SPARE} free", always(FIX_POOLS), _pools, optional="users")
SUBNETS = Requirement(
    "subnets",
    "no overlap",
    always(f"{FIX_POOLS}; networks that are there: habari-local down && habari-local up"),
    _routes,
    optional="VPNs",
)
NETWORKS = (ADDRESSES, SUBNETS)
