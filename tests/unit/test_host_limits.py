"""What of the host runs out, or is used twice: by the system's own words, and this machine's."""

from __future__ import annotations

import tomllib
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from habari_local.diagnosis import host_limits
from habari_local.diagnosis.host_limits import (
    LIMITS,
    MORE_POOLS,
    POOLS,
    capacity,
    collisions,
    routes,
    subnets,
)

TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
podman1\t00005D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br-1\t000013AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
NETWORKS = [
    {"Name": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}},
    {"Name": "kind", "IPAM": {"Config": [{"Subnet": "fc00::/64"}, {"Subnet": "172.18.0.0/16"}]}},
    {"Name": "ours", "IPAM": {"Config": [{"Subnet": "172.19.0.0/16"}]}},
    {"Name": "podman's", "IPAM": {"Config": [{"Subnet": "10.93.0.0/24"}]}},
    {"Name": "host", "IPAM": {"Config": None}},
]


def test_an_engine_has_addresses_for_some_thirty_networks_and_more_where_it_is_told() -> None:
    import json

    assert capacity(POOLS) == 31
    more = json.loads(MORE_POOLS)["default-address-pools"]
    assert capacity((each["base"], each["size"]) for each in more) == 16_384


def test_a_network_of_the_engine_that_the_host_sends_elsewhere_is_named() -> None:
    found = routes(TABLE)
    assert [(str(each.to), each.interface) for each in found] == [
        ("172.18.0.0/16", "tun0"),
        ("10.93.0.0/24", "podman1"),
        ("172.19.0.0/16", "br-1"),
    ], "the default route is none of these"
    assert subnets(NETWORKS)["kind"] == [IPv4Network("172.18.0.0/16")]
    assert collisions(subnets(NETWORKS), found) == [
        "network kind (172.18.0.0/16) and the route to 172.18.0.0/16 through tun0"
    ], "its own bridge is where it belongs"


def test_the_hosts_own_table_can_be_read() -> None:
    if not host_limits.ROUTES.is_file():
        assert host_limits.SUBNETS.check({}).good
        return
    text = host_limits.ROUTES.read_text(encoding="utf-8")
    assert len(routes(text)) <= len(text.splitlines()) - 1


def test_low_limits_of_inotify_are_named_with_what_raises_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("max_user_instances", 128), ("max_user_watches", 600_000)):
        (tmp_path / name).write_text(f"{value}\n")
    assert host_limits.inotify_values(tmp_path)["max_user_instances"] == 128
    monkeypatch.setattr(host_limits, "inotify_values", lambda: {"max_user_instances": 128})
    found = LIMITS.check({})
    assert (found.found, found.good, found.state) == ("128", False, "too little")
    assert "too many open files" in found.detail
    assert "fs.inotify.max_user_instances=512" in LIMITS.fix({})
    monkeypatch.setattr(host_limits, "inotify_values", dict)
    assert LIMITS.check({}).good, "a system without it has no such limit"


def test_the_known_issue_has_the_same_setting() -> None:
    file = Path(host_limits.__file__).with_name("known-issues.toml")
    rows = {each["id"]: each for each in tomllib.loads(file.read_text())["issue"]}
    assert rows["docker-networks-used-up"]["hint"] == host_limits.FIX_POOLS
