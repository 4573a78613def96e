"""Real packets for the table of cases: pods are network namespaces, joined and ruled as on a node.

Runs in a privileged container of the node's image, `python3 -m tests.netpol.packets`, with the
table (JSON) on its standard input. Writes what went another way than the table says, one line each.
"""

from __future__ import annotations

import ctypes
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netpol import nft, rules

from tests.netpol.table import GATEWAY, SUBNET, Table, Try

SECONDS = (
    0.3  # in which a packet of this machine is there, or lost; refused ones are told of at once
)
CLONE_NEWNET = 0x40000000
UPLINK = "192.168.64.1"
TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def call(command: str, given: str = "") -> None:
    subprocess.run(command.split(), input=given, text=True, check=True)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Do the block in a namespace: sockets made there stay there."""
    with Path("/proc/thread-self/ns/net").open() as home:
        if name != "node":
            with Path(f"/run/netns/{name}").open() as there:
                enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


def enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class World:
    """The namespaces, and a socket for each port that somebody listens on."""

    def __init__(self, table: Table) -> None:
        self.table = table
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        call("ip link set lo up")
        for number, name in enumerate(table.pods):
            self._join(name, f"veth{number}", GATEWAY, [table.address(name)])
        beyond = [name for name in table.places if name != "node"]
        self._join("world", "eth9", table.address("node"), [UPLINK, *map(table.address, beyond)])
        self.listening = {
            (name, port, kind): self._listen(name, port, kind)
            for name in [*table.pods, *table.places]
            for port in table.ports(name)
            for kind in TYPES
        }

    def _join(self, name: str, link: str, ours: str, theirs: list[str]) -> None:
        """Make a namespace at the other end of a pair, as the plugin ptp does."""
        call(f"ip netns add {name}")
        call(f"ip link add {link} type veth peer name eth0 netns {name}")
        call(f"ip address add {ours}/32 dev {link}")
        call(f"ip link set {link} up")
        for each in theirs:
            call(f"ip -n {name} address add {each}/32 dev eth0")
            call(f"ip route add {each} dev {link}")
        for command in ("link set lo up", "link set eth0 up", f"route add {ours} dev eth0"):
            call(f"ip -n {name} {command}")
        call(f"ip -n {name} route add default via {ours} src {theirs[-1]}")

    def place(self, name: str) -> str:
        """Return the namespace that somebody is in."""
        return name if name in self.table.pods or name == "node" else "world"

    def _listen(self, name: str, port: int, kind: str) -> socket.socket:
        with inside(self.place(name)):
            made = socket.socket(socket.AF_INET, TYPES[kind])
            made.bind((self.table.address(name), port))
            made.settimeout(SECONDS)
            if kind == "tcp":
                made.listen(16)
            return made

    def arrives(self, wanted: Try) -> bool:
        """Return whether a first packet gets through."""
        target = (self.table.address(wanted.target), wanted.port)
        with inside(self.place(wanted.source)):
            own = socket.socket(socket.AF_INET, TYPES[wanted.protocol])
        with own:
            own.settimeout(SECONDS)
            if wanted.source != "node":
                own.bind((self.table.address(wanted.source), 0))
            try:
                own.connect(target)
                own.send(b"x")
                if wanted.protocol == "udp":
                    self.listening[wanted.target, wanted.port, "udp"].recv(1)
            except OSError:
                return False
            return True


def main() -> None:
    table = Table(json.load(sys.stdin))
    world = World(table)
    pods = [pod for each, address in table.objects() if (pod := rules.pod(each, address))]
    for case in table.cases:
        held = rules.verdicts(table.policies(case), table.namespaces, pods)
        script = nft.script(held, (each.address for each in pods), SUBNET, GATEWAY)
        call("nft -f -", script)
        for each in table.tries(case):
            if world.arrives(each) != each.allowed:
                sys.stdout.write(f"{case['name']}: {each}\n")
    call("nft -f -", nft.script(rules.Verdicts({}, {}), [], SUBNET, GATEWAY))
    unknown = [Try("ada", "s3", 4566, "tcp", False), Try("node", "ada", 8888, "tcp", True)]
    unknown += [Try("outside", "ada", 8888, "tcp", False), Try("ada", "node", 6443, "tcp", False)]
    for each in unknown:
        if world.arrives(each) != each.allowed:
            sys.stdout.write(f"a pod that is not known yet: {each}\n")


if __name__ == "__main__":
    main()
