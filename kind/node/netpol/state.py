"""What a node knows of its cluster; the rules that follow are loaded whenever it changes."""

from __future__ import annotations

import ipaddress
import subprocess
import threading
from collections.abc import Callable, Iterable
from typing import Any

from netpol import nft, routes, rules

Key = tuple[str, str]  # namespace, name
KINDS = ("policies", "namespaces", "pods", "nodes")


class State:
    """Objects of the API by kind, and the addresses that this node has given out itself.

    A pod's address is known here before the API has it, from the plugin that made the interface;
    what the API says of an address that was given to another pod since is old.
    """

    def __init__(self, node: str, *, routed: bool = True) -> None:
        self.node, self.routed = node, routed  # whether the ways to other nodes are ours to lay
        self.objects: dict[str, dict[Key, Any]] = {}
        self.given: dict[str, Key] = {}
        self.changed = threading.Condition()
        self.wanted = 0
        self.loaded = 0

    def replace(self, kind: str, objects: Iterable[Any]) -> None:
        """Take what the API lists for all that there is of a kind."""
        self._change(lambda: self.objects.update({kind: {key(each): each for each in objects}}))

    def put(self, kind: str, found: Any, *, gone: bool) -> None:
        """Take over what a watch says of one object."""

        def act() -> None:
            self.objects[kind].pop(key(found), None)
            if not gone:
                self.objects[kind][key(found)] = found
            elif kind == "pods":
                self._give(key(found))

        self._change(act)

    def give(self, address: str, pod: Key, seconds: float) -> bool:
        """Note whose an address is; return once the rules hold for it, False: not in time."""
        self._change(lambda: self._give(pod, address))
        with self.changed:
            if not self.changed.wait_for(lambda: pod in self.objects.get("pods", {}), seconds):
                return False
            wanted = self.wanted
            return self.changed.wait_for(lambda: self.loaded >= wanted, seconds)

    def subnet(self, seconds: float) -> str | None:
        """Return this node's addresses for pods, as soon as the API has them; None: not in time."""
        with self.changed:
            self.changed.wait_for(self._subnet, seconds)
            return self._subnet()

    def load_forever(self) -> None:
        """Load the rules whenever something has changed, once everything is known."""
        last: tuple[str, list[tuple[str, ...]]] = ("", [])
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.loaded < self.wanted and self._complete())
                wanted, text = self.wanted, self._script(self._subnet() or "")
                nodes = self.objects["nodes"].values() if self.routed else ()
                ways = list(routes.to_others(self.node, nodes))
            if (text, ways) != last:
                subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
                for way in ways:
                    subprocess.run(["ip", "route", "replace", *way], check=True)
                last = text, ways
            with self.changed:
                self.loaded = wanted
                self.changed.notify_all()

    def _give(self, pod: Key, *addresses: str) -> None:
        others = {address: owner for address, owner in self.given.items() if owner != pod}
        self.given = others | dict.fromkeys(addresses, pod)

    def _change(self, act: Callable[[], None]) -> None:
        with self.changed:
            act()
            self.wanted += 1
            self.changed.notify_all()

    def _complete(self) -> bool:
        return all(kind in self.objects for kind in KINDS) and self._subnet() is not None

    def _subnet(self) -> str | None:
        node = self.objects.get("nodes", {}).get(("", self.node))
        return node["spec"].get("podCIDR") if node else None

    def _script(self, subnet: str) -> str:
        owners = {owner: address for address, owner in self.given.items()}
        pods = []
        for own, found in self.objects["pods"].items():
            address = found.get("status", {}).get("podIP", "")
            if self.given.get(address, own) != own:
                address = ""
            pods.append(rules.pod(found, owners.get(own, address)))
        known = [each for each in pods if each]
        namespaces = {
            name: each["metadata"].get("labels") or {}
            for (_, name), each in self.objects["namespaces"].items()
        }
        held = rules.verdicts(self.objects["policies"].values(), namespaces, known)
        gateway = str(ipaddress.ip_network(subnet)[1])
        return nft.script(held, (each.address for each in known), subnet, gateway)


def key(found: Any) -> Key:
    """Return namespace and name of an object; the first is empty for one outside of namespaces."""
    meta = found["metadata"]
    return meta.get("namespace", ""), meta["name"]
