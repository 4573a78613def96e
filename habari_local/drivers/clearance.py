"""Taking away what is ours in the engine, until none of it is there.

A program that was ended midway has asked the engine for things that it is making still, and that
can't be removed just then: one look and one try are not enough.
"""

from __future__ import annotations

from collections.abc import Collection

from habari_local import wait
from habari_local.drivers import engine
from habari_local.drivers.engine import Ours

SECONDS = 15.0  # that the engine may take for what it has begun


def clear(ours: Ours, *, but: Collection[str] = ()) -> None:
    """Remove our containers, but those with these ids, and the networks on which nobody is left.

    Raises:
        NotReady: the engine has some still after 15 s.
    """
    wait.until(
        lambda: not _removed(ours, but),
        f"Docker: removing what mode {ours.mode} had",
        seconds=SECONDS,
        hint="habari-local down",
    )


def _removed(ours: Ours, but: Collection[str]) -> bool:
    """Remove what is there; whether there was anything."""
    there = engine.containers(ours)
    found = [each for each in there if each.id not in but]
    engine.remove(found)
    empty = {each["Name"] for each in engine.networks(ours)}.difference(
        *(each.networks for each in there if each.id in but)
    )
    engine.remove_networks(ours)
    return bool(found or empty)
