"""Whether the culler of idle servers stops what is idle, knows what is in use, and keeps homes.

It asks the hub when a server was active last. Two tell the hub: each server, every
JUPYTERHUB_ACTIVITY_INTERVAL seconds, give or take a tenth (jupyterhub/singleuser/extension.py), of
its kernels too; and the proxy, that the hub asks every `last_activity_interval` seconds who has a
page open (JupyterHub.update_last_activity). 0 turns either off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.behavior.images import containers
from habari_local.helm_values.behavior.object_values import items
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, text_at

TIMEOUT: Place = ("cull", "timeout")
CULLER = re.compile(r"jupyterhub[_-]idle[_-]culler|cull_idle_servers")
SECONDS = re.compile(r"--timeout[= ](\d+)")
OWN_SECONDS = re.compile(r"hub_activity_interval[= ](\d+)")
VARIABLE = "JUPYTERHUB_ACTIVITY_INTERVAL"
USUAL = {"timeout": 600, "server": 300, "hub": 300}  # of the culler, of servers, of the hub
JITTER = 1.1
LEAST_AGE = 600  # seconds, below which no work gets done
CULLER_NAME = "jupyterhub-idle-culler"


def in_use(evaluation: Evaluation) -> Iterator[Finding]:
    """No server is stopped while it is worked in."""
    reported = max(map(_reported, evaluation.get("pods", default=[])), default=None)
    if reported is None:
        return
    asked = evaluation.get("hub", "last_activity_interval", default=USUAL["hub"])
    asked = asked if isinstance(asked, int) and asked > 0 else math.inf
    for _, service in items(evaluation.get("services")):
        words = service.get("command") or ()
        command = words if isinstance(words, str) else " ".join(map(str, words))
        if not CULLER.search(command):
            continue
        given = SECONDS.search(command)
        timeout = int(given[1]) if given else USUAL["timeout"]
        known = min(reported, asked)
        if timeout < known:
            every = f"every {known:.0f} s, more was expected" if known < math.inf else "never"
            yield _of(evaluation, timeout, f"stops servers in use: the hub hears of it {every}")
        elif timeout < reported * JITTER:
            every = f"every {reported:.0f} s" if reported < math.inf else "never"
            says = f"stops what computes without a page open: servers report it {every}"
            yield _of(evaluation, timeout, f"{says}, more was expected", True)


def kept(evaluation: Evaluation) -> Iterator[Finding]:
    """The culler may do its work, takes no home with it, and stops nobody who has just begun."""
    cull = at(evaluation.whole, ("cull",)) or {}
    if not isinstance(cull, dict) or cull.get("enabled") is not True:
        return
    age = cull.get("maxAge")
    if isinstance(age, int) and 0 < age < LEAST_AGE:
        says = f"every server is stopped {age} s after its start, in use or not"
        yield Finding(("cull", "maxAge"), says)
    claims = evaluation.get("spawner", "traits", "delete_pvc", default=True)
    if cull.get("users") is True and claims is True and _has_homes(evaluation):
        says = "users who are away are deleted, and with them their homes: delete_pvc is true"
        yield Finding(("cull", "users"), says)
    if _removes_named(evaluation, cull) and claims is True and _has_homes(evaluation):
        says = "a named server that is idle goes, and with it its home: delete_pvc is true"
        yield Finding(("cull", "removeNamedServers"), says, True)  # it is what was asked for
    roles = [each for _, each in items(evaluation.get("roles"))]
    mine = [each for each in roles if CULLER_NAME in (each.get("services") or ())]
    has_culler = any(
        each.get("name") == CULLER_NAME for _, each in items(evaluation.get("services"))
    )
    if has_culler and evaluation.get("roles") is not None and not mine:
        says = f"{CULLER_NAME} has no role any more: what assigns load_roles anew takes the chart's"
        yield of_trait(evaluation, "hub", "load_roles", says)


def _removes_named(evaluation: Evaluation, cull: Data) -> bool:
    """Whether idle named servers are removed that have a home of their own each."""
    template = text_at(evaluation.whole, "singleuser", "storage", "dynamic", "pvcNameTemplate")
    allowed = evaluation.get("hub", "allow_named_servers") is True
    own = not template or "server" in template  # KubeSpawner's is claim-{user_server}
    return allowed and cull.get("removeNamedServers") is True and own


def _has_homes(evaluation: Evaluation) -> bool:
    return any(each.get("volume") for each in evaluation.get("pods", default=[]))


def _of(evaluation: Evaluation, timeout: int, says: str, warning: bool = False) -> Finding:
    if at(evaluation.whole, TIMEOUT) == timeout:
        return Finding(TIMEOUT, says, warning)
    return of_trait(evaluation, "hub", "services", f"the culler {says}", warning)


def _reported(made: Data) -> float:
    """Return how often a server says when it was active; infinity where it doesn't."""
    for container in containers(made["pod"]):
        if container.get("name") != "notebook":
            continue
        words = [str(word) for kind in ("command", "args") for word in container.get(kind) or ()]
        told = OWN_SECONDS.search(" ".join(words))
        variables = {each.get("name"): each for _, each in items(container.get("env"))}
        found: Any = told[1] if told else (variables.get(VARIABLE) or {}).get("value")
        if not found:  # not set, or of a secret: nobody knows here
            return USUAL["server"]
        if not re.fullmatch(r"\s*\d+\s*", str(found)):
            return math.inf  # the server's task that reports ends with an error
        return int(found) or math.inf
    return USUAL["server"]
