"""The way to the pods of other nodes: through those nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def to_others(node: str, nodes: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    """Return what `ip route replace` takes, for each other node that has addresses for pods."""
    for each in nodes:
        subnet = each["spec"].get("podCIDR")
        if each["metadata"]["name"] == node or not subnet:
            continue
        for address in each.get("status", {}).get("addresses", []):
            if address["type"] == "InternalIP" and "." in address["address"]:
                yield subnet, "via", address["address"]
