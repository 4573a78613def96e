"""Verdicts as one transaction of nft, which is in force as a whole or not at all.

Rules see a packet after a Service's DNAT (priority -5), so they name pods and their ports. What a
pod sends to its node is not forwarded: the API server and the kubelet are behind the hook `input`.
What the node itself sends, as the kubelet's probes, is not held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netpol.rules import Allow, Block, Port, Verdicts

TABLE = "inet habari_netpol"
# Told at once: a reset, because the kernel sends but a few ICMP messages a second.
REFUSE = ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited")
HEAD = f"""\
table {TABLE} {{}}
delete table {TABLE}
table {TABLE} {{
  chain forward {{
    type filter hook forward priority -5; policy accept;
    ct state established,related accept
    iifname "veth*" goto egress
    goto ingress
  }}
  chain input {{
    type filter hook input priority -5; policy accept;
    ct state established,related accept
    iifname "veth*" goto egress
  }}
"""


def script(verdicts: Verdicts, known: Iterable[str], subnet: str, gateway: str) -> str:
    """Return what `nft -f` takes.

    Args:
        verdicts: for pods of all nodes.
        known: addresses of all pods. One of this node that is not among them is refused everything;
            what it sends itself is lost, not refused: a pod that is not known yet tries again.
        subnet: the addresses of this node's pods.
        gateway: the node's own address in it.
    """
    addresses = sorted(set(known))
    lines = [HEAD]
    for address in addresses:
        if address in verdicts.egress:
            body = [f"ip daddr {address} accept"]  # nobody is kept from itself
            body += [f"{each} goto ingress" for each in _matches("daddr", verdicts.egress[address])]
            lines += _chain(f"from_{address}", [*body, *REFUSE])
        if address in verdicts.ingress:
            body = [f"{each} accept" for each in _matches("saddr", verdicts.ingress[address])]
            lines += _chain(f"to_{address}", [*body, *REFUSE])
    out = [
        f"{a} : goto {_name(f'from_{a}') if a in verdicts.egress else 'ingress'}" for a in addresses
    ]
    into = [
        f"{a} : {'goto ' + _name(f'to_{a}') if a in verdicts.ingress else 'accept'}"
        for a in addresses
    ]
    into.append(f"{gateway} : accept")
    vmap = [f"ip saddr vmap {{ {', '.join(out)} }}"] if out else []
    lines += _chain("egress", [*vmap, "drop"])
    unknown = [f"ip daddr {subnet} {each}" for each in REFUSE]
    body = [f"ip daddr vmap {{ {', '.join(into)} }}", *unknown, "accept"]
    lines += _chain("ingress", body)
    return "\n".join([*lines, "}", ""])


def _name(text: str) -> str:
    return text.replace(".", "_")


def _chain(name: str, body: list[str]) -> list[str]:
    return [f"  chain {_name(name)} {{", *(f"    {line}" for line in body), "  }"]


def _matches(end: str, allows: Iterable[Allow]) -> Iterator[str]:
    for allow in allows:
        for peers in _peers(end, allow.peers):
            for port in _ports(allow.ports):
                yield f"{peers} {port}".strip()


def _peers(end: str, blocks: tuple[Block, ...] | None) -> Iterator[str]:
    if blocks is None:
        yield ""
        return
    single = [block.cidr for block in blocks if not block.holes and ":" not in block.cidr]
    if single:
        yield f"ip {end} {{ {', '.join(single)} }}"
    for block in blocks:
        family = "ip6" if ":" in block.cidr else "ip"
        if block.holes:
            holes = ", ".join(block.holes)
            yield f"{family} {end} {block.cidr} {family} {end} != {{ {holes} }}"
        elif family == "ip6":
            yield f"{family} {end} {block.cidr}"


def _ports(ports: tuple[Port, ...] | None) -> Iterator[str]:
    for port in ports or ():
        protocol = port.protocol.lower()
        number = f"{port.first}-{port.last}" if port.last > port.first else f"{port.first}"
        at = f"ip daddr {{ {', '.join(port.at)} }} " if port.at is not None else ""
        yield f"{at}{protocol} dport {number}" if port.first else f"meta l4proto {protocol}"
    if ports is None:
        yield ""
