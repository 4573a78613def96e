"""Taking away what is ours in the engine, until none of it is there.

A program that was ended midway has asked the engine for things that it is making still: they come
later, and can't be removed just then. One look and one try are not enough.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from habari_local.core import polling
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import ResourceLabels

SECONDS = 20.0  # that the engine may take for what it has begun
QUIET = 2.0  # seconds without anything of ours, after which nothing is expected to come any more


def remove_all(
    ours: ResourceLabels, *, but: Collection[str] = (), interrupted: bool = False
) -> None:
    """Remove our containers, but those with these ids, and the networks on which nobody is left.

    Args:
        ours: whose things.
        but: ids of containers that stay.
        interrupted: whether a program was ended that made some, so that more may come.

    Raises:
        NotReady: the engine has some still after 20 s.
    """
    last = time.monotonic()

    def none_left() -> bool:
        nonlocal last
        if _removed(ours, but):
            last = time.monotonic()
            return False
        return not interrupted or time.monotonic() - last >= QUIET

    polling.wait_until(
        none_left,
        f"Docker: removing what mode {ours.mode} had",
        seconds=SECONDS,
        hint="habari-local down",
    )


def _removed(ours: ResourceLabels, but: Collection[str]) -> bool:
    """Remove what is there; whether there was anything."""
    there = docker_client.containers(ours)
    found = [each for each in there if each.id not in but]
    docker_client.remove(found)
    empty = {each["Name"] for each in docker_client.networks(ours)}.difference(
        *(each.networks for each in there if each.id in but)
    )
    docker_client.remove_networks(ours)
    return bool(found or empty)
