"""The table of cases, read: pods with addresses, what each case allows and what it denies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SUBNET = "10.244.0.0/24"
GATEWAY = "10.244.0.1"


@dataclass(frozen=True)
class Try:
    """A first packet from one to another's port, and whether it may arrive."""

    source: str
    target: str
    port: int
    protocol: str
    allowed: bool


class Table:
    """The cases and the world they are about."""

    def __init__(self, text: Any) -> None:
        self.text = text
        self.cases: list[dict[str, Any]] = text["cases"]
        self.namespaces: dict[str, dict[str, str]] = text["namespaces"]
        self.pods: dict[str, dict[str, Any]] = text["pods"]
        self.places: dict[str, dict[str, Any]] = text["places"]

    def address(self, name: str) -> str:
        """Return the address of a pod or a place."""
        if name in self.places:
            return str(self.places[name]["address"])
        return f"10.244.0.{10 + list(self.pods).index(name)}"

    def ports(self, name: str) -> list[int]:
        """Return what a pod or a place listens on."""
        if name in self.places:
            return list(self.places[name]["ports"])
        return list(self.pods[name]["ports"].values())

    def objects(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Return each pod as the API has it, with its address."""
        for name, pod in self.pods.items():
            listed = [{"name": key, "containerPort": port} for key, port in pod["ports"].items()]
            listed += [{**each, "protocol": "UDP"} for each in listed]
            meta = {"name": name, "namespace": pod["namespace"], "labels": pod["labels"]}
            yield (
                {"metadata": meta, "spec": {"containers": [{"ports": listed}]}},
                self.address(name),
            )

    def policies(self, case: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a case's policies as the API has them."""
        home = case.get("home", "app")
        return [
            {"metadata": {"namespace": home, "name": f"case-{number}"}, "spec": spec}
            for number, spec in enumerate(case["policies"])
        ]

    def tries(self, case: dict[str, Any]) -> Iterator[Try]:
        """Return what a case says of packets."""
        for verdict in ("allowed", "denied"):
            for line in case[verdict]:
                source, target, port = line.split()
                number, _, protocol = port.partition("/")
                yield Try(source, target, int(number), protocol or "tcp", verdict == "allowed")
