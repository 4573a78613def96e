"""What a pod is like: what runs in it, and why it can't come up any more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

# Reasons of a waiting container after which waiting is of no use (Kubernetes: container states).
HOPELESS = {
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
# A kubelet that has just begun has not heard of secrets yet: it asks again, and that passes.
PASSING = re.compile(r"failed to sync (secret|configmap) cache")
# What a registry answers that it will answer again, and what may be over a moment later.
PULLING, BACK_OFF = {"ErrImagePull", "ImagePullBackOff"}, "ImagePullBackOff"
REFUSED = re.compile(
    r"not found|manifest unknown|denied|unauthorized|forbidden|insufficient_scope|: 40[134]\b", re.I
)
BUSY = re.compile(
    r"\b(429|5\d\d) [A-Z]|too ?many ?requests|time-?out|timed out|deadline exceeded"
    r"|connection reset|unexpected EOF|: EOF$|temporary failure",
    re.I,
)
NAMES = re.compile(r'"[^"]*"|https?://\S+?(?=:? )')  # of images and addresses
LIMITED = re.compile(r"\b429 |too ?many ?requests", re.I)
ADVICE = "the registry limits how much you pull: log in there, or HABARI_IMAGE_MIRROR"
CRASHES, ENOUGH = "CrashLoopBackOff", 2  # one crash may be another's fault: a database not up yet
OOM = "OOMKilled"
PATIENT = {"ContainerCreating", "PodInitializing"}  # a container that comes up
UNSCHEDULABLE = "Unschedulable, "
# Why no node will have a pod. The taint of a node that is not ready yet is none: that passes.
NO_NODE = ("Insufficient", "volume node affinity conflict", "node.kubernetes.io/disk-pressure")


@dataclass(frozen=True)
class Pod:
    """A pod; `failure` says why it can't come up any more, and is empty while it can."""

    name: str
    component: str  # hub, proxy, singleuser-server of the chart; else its label app
    user: str
    phase: str
    ready: bool
    since: float | None  # seconds since the epoch; none while no node has it
    failure: str
    created: float = 0.0  # seconds since the epoch
    template: str = ""  # which of its Deployment's it was made from
    told: str = ""  # what is said of it while it is not up; `failure`, or what may pass
    claims: tuple[str, ...] = ()  # volumes that it claims
    uid: str = ""
    pull: str = ""  # why an image could not be pulled, where that may pass
    image: str = ""  # of its first container

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"server of {self.user}" if self.user else self.component


def described(pod: Any) -> Pod:
    """Return a pod of the client as ours."""
    labels, status = pod.metadata.labels or {}, pod.status
    annotations = pod.metadata.annotations or {}
    containers = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    conditions = {each.type: each for each in status.conditions or ()}
    ready = conditions.get("Ready")
    started = status.start_time
    failure = _failure(containers, conditions)
    volumes = (pod.spec and pod.spec.volumes) or ()
    claims = [each.persistent_volume_claim for each in volumes]
    server = labels.get("component") == "singleuser-server"
    return Pod(
        name=pod.metadata.name,
        component=labels.get("component") or labels.get("app", ""),
        user=annotations.get("hub.jupyter.org/username", "") if server else "",
        phase=status.phase or "",
        ready=bool(ready and ready.status == "True" and not pod.metadata.deletion_timestamp),
        since=started.timestamp() if started else None,
        failure=failure,
        created=pod.metadata.creation_timestamp.timestamp(),
        template=labels.get("pod-template-hash", ""),
        told=failure or _told(containers, conditions),
        claims=tuple(each.claim_name for each in claims if each),
        uid=str(pod.metadata.uid),
        pull="" if failure else _pull(containers),
        image=_image(pod),
    )


def _image(pod: Any) -> str:
    containers = (pod.spec and pod.spec.containers) or ()
    return str(containers[0].image or "") if containers else ""


def pull_verdict(said: str) -> Literal["final", "passing", "unknown"]:
    """Judge what a registry, or the way to it, said of a pull; names are no words of theirs."""
    words = NAMES.sub("", said)
    if BUSY.search(words):
        return "passing"
    return "final" if REFUSED.search(words) else "unknown"


def with_advice(said: str) -> str:
    """Return why a pull failed, with what helps where the registry counts pulls."""
    return f"{said} ({ADVICE})" if LIMITED.search(said) else said


def _pull(containers: list[Any]) -> str:
    waiting = [(each.name, each.state.waiting) for each in containers if each.state]
    found = [f"{name}: {it.reason}, {it.message}" for name, it in waiting if _pulls(it)]
    return found[0] if found else ""


def _pulls(waiting: Any) -> bool:
    return bool(waiting and waiting.reason in PULLING)


def _cannot_pull(waiting: Any) -> bool:
    """Whether a pull is refused for good, or was tried again for a reason that we don't know.

    An older Kubernetes says why with the first try and in events, and no more while it backs off.
    """
    if not _pulls(waiting):
        return False
    verdict = pull_verdict(waiting.message or "")
    tried = waiting.reason == BACK_OFF and ": " in (waiting.message or "")
    return verdict == "final" or (verdict == "unknown" and tried)


def _failure(containers: list[Any], conditions: dict[str, Any]) -> str:
    for each in containers:
        waiting = each.state.waiting if each.state else None
        ended = each.last_state.terminated if each.last_state else None
        if ended and ended.reason == OOM:
            return f"{each.name}: {OOM}, it took more memory than its limit"
        crashing = waiting and waiting.reason == CRASHES and each.restart_count >= ENOUGH
        if waiting and PASSING.search(waiting.message or ""):
            continue
        if waiting and (crashing or waiting.reason in HOPELESS or _cannot_pull(waiting)):
            said = f", {waiting.message}" if waiting.message else ""
            return f"{each.name}: {waiting.reason}{said}"
    scheduled = conditions.get("PodScheduled")
    if scheduled and scheduled.status == "False":
        said = scheduled.message or ""
        if any(each in said for each in NO_NODE):
            return f"{UNSCHEDULABLE}{said}"
    return ""


def _told(containers: list[Any], conditions: dict[str, Any]) -> str:
    """What may pass: another try of what failed, a node that isn't ready yet."""
    scheduled = conditions.get("PodScheduled")
    if scheduled and scheduled.status == "False":
        return f"{UNSCHEDULABLE}{scheduled.message or scheduled.reason}"
    for each in containers:
        waiting = each.state.waiting if each.state else None
        if waiting and waiting.reason not in PATIENT:
            said = f", {waiting.message}" if waiting.message else ""
            return f"{each.name}: {waiting.reason}{said}"
    return ""
