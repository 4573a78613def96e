"""A component on its way: whether its pods of now are up, and why they can't come up any more.

A Deployment says how far it is with its newest template; the API server's watch says what becomes
of its pods. Pods of before don't count: one that is about to go may answer still, or have
failed.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Self

from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import SECONDS, Cluster
from habari_local.drivers.kubernetes.pods import (
    BACK_OFF,
    UNSCHEDULABLE,
    Pod,
    described,
    pull_verdict,
    with_advice,
)

PULL_SECONDS = 180.0  # how long a registry may be busy: a kubelet asks 5 times meanwhile
ASK_SECONDS = 2.0  # between two questions for what no state of a pod tells
INTERVAL = 0.25  # between two questions to a Deployment: it is asked beside a page that is polled
TEMPLATE = "pod-template-hash"  # label by which a Deployment tells its pods apart
EXPIRED = 410
WATCH_SECONDS = 60  # after which the server ends a watch, and we list again

# Why a pod gets no node is in its events, in the autoscaler's words: Kubernetes' (GKE's among them,
# https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md) or Karpenter's.
ADDS = {"TriggeredScaleUp", "Nominated"}
REFUSES = {"NotTriggerScaleUp"}
WORD_SECONDS = 30.0  # until its first word: it looks every 10 s by default
# https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
TAINTS = {f"node.kubernetes.io/{each}-pressure" for each in ("disk", "memory", "pid")}
UNSAID = "untolerated taint"


class PodWatch:
    """Follows the pods of a namespace while somebody is in its block; thread-safe to ask.

    `error` is why they can't be followed now, None while they are. Who comes while another one
    follows shares what is known; after the last one has left nothing is asked any more.
    """

    error: ApiError | None = None

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._lock, self._over = threading.Lock(), threading.Event()
        self._inside = 0
        self._pods: dict[str, Pod] = {}

    def __enter__(self) -> Self:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self.error, self._pods, self._over = None, {}, threading.Event()
                threading.Thread(
                    target=self._follow,
                    args=(self._over,),
                    name=f"pods of {self._namespace}",
                    daemon=True,
                ).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._over.set()

    def pods(self, component: str) -> list[Pod]:
        """Return the pods of a component, the newest last."""
        with self._lock:
            found = [each for each in self._pods.values() if each.component == component]
        return sorted(found, key=lambda each: each.created)

    def newest(self, component: str, template: str) -> Pod | None:
        """Return the component's newest pod that was made from this template."""
        found = [each for each in self.pods(component) if each.template == template]
        return found[-1] if template and found else None

    def progress(self, component: str) -> str:
        """Return in a few words how far the component is."""
        if self.error:
            return self.error.said
        found = self.pods(component)
        if not found:
            return "no pod yet"
        return "ready" if found[-1].ready else f"its pod is {found[-1].phase.lower() or 'made'}"

    def _follow(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                with self._cluster.translate_errors():
                    self._once(over)
            except ApiError as error:
                if over.is_set():
                    return
                if error.status != EXPIRED:  # a watch that fell behind lists again
                    self.error = error
                over.wait(0.5)

    def _once(self, over: threading.Event) -> None:
        from kubernetes import watch

        api = self._cluster.api
        listed = api.list_namespaced_pod(self._namespace, _request_timeout=10)
        with self._lock:
            if over.is_set():
                return
            self.error = None
            self._pods = {each.metadata.name: described(each) for each in listed.items}
        following: Any = watch.Watch()  # type: ignore[no-untyped-call]
        for event in following.stream(
            api.list_namespaced_pod,
            self._namespace,
            resource_version=listed.metadata.resource_version,
            timeout_seconds=WATCH_SECONDS,
        ):
            pod = described(event["object"])
            with self._lock:
                if over.is_set():
                    following.stop()
                    return
                if event["type"] == "DELETED":
                    self._pods.pop(pod.name, None)
                else:
                    self._pods[pod.name] = pod


class Rollout:
    """Follows a Deployment by asking; what was asked a moment ago is not asked again."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._asked = 0.0
        self._done, self._template = False, ""

    def done(self) -> bool:
        """Whether every pod is of the last template, and up."""
        self._look()
        return self._done

    def template(self) -> str:
        """The hash of the last template; empty until the controller has seen it."""
        self._look()
        return self._template

    def _look(self) -> None:
        if self._done or time.monotonic() - self._asked < INTERVAL:
            return
        self._asked = time.monotonic()
        try:
            self._follow()
        except ApiError as error:
            if not error.transient:
                raise

    def _follow(self) -> None:
        found = self._cluster.deployment(self._namespace, self._name)
        if found is None or (found.status.observed_generation or 0) < found.metadata.generation:
            return
        self._template = self._of_now(found)
        status, wanted = found.status, found.spec.replicas
        counts = (status.replicas, status.updated_replicas, status.available_replicas)
        self._done = all((count or 0) == wanted for count in counts)

    def _of_now(self, found: Any) -> str:
        """The hash of what the Deployment says now; empty until pods of that are asked for.

        Its revision can't tell: with the strategy Recreate it is the old one until old pods are
        gone.
        """
        sets = self._cluster.replica_sets(self._namespace, found.spec.selector.match_labels)
        wanted = _content(found)
        fitting = [each for each in sets if _content(each) == wanted]
        return str(fitting[0].metadata.labels[TEMPLATE]) if fitting else ""


def _content(found: Any) -> tuple[Any, ...]:
    """What pods are made of, by a Deployment or a ReplicaSet: all but the hash."""
    template = found.spec.template
    labels = {**(template.metadata.labels or {}), TEMPLATE: None}
    return labels, template.metadata.annotations or {}, template.spec


class ImagePull:
    """One pod's image that could not be pulled: asked for again for a while, or refused."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._since = 0.0  # since when the registry has been busy
        self._asked = time.monotonic()

    def refusal(self, pod: Pod) -> str:
        """Return why its image can't be pulled, once that was waited out or won't pass."""
        if not pod.pull:
            return ""
        now = time.monotonic()
        self._since = self._since or now
        why = pod.pull
        if BACK_OFF in why and pull_verdict(why) == "unknown":
            why = self._why(pod)
            if pull_verdict(why) != "passing" and why != pod.pull:
                return why
        over = now - self._since
        return f"{with_advice(why)}; after {over:.0f} s" if over >= PULL_SECONDS else ""

    def _why(self, pod: Pod) -> str:
        """Return what its events say of a pull that is not tried again yet, asked now and then."""
        if time.monotonic() - self._asked < ASK_SECONDS:
            return pod.pull
        self._asked = time.monotonic()
        said = self._cluster.failed_pull(self._namespace, pod.name)
        return f"{pod.pull}: {said}" if said else pod.pull


class Readiness:
    """The pods of a Deployment `name`, which carry the label `component`.

    `growing` is for a cluster that may add nodes: a pod without room is no failure there yet.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, component: str, *, growing: bool = False
    ) -> None:
        self._cluster, self._namespace, self._component = cluster, namespace, component
        self._rollout = Rollout(cluster, namespace, name)
        self._asked = time.monotonic()
        self._pull = ImagePull(cluster, namespace)
        self._broken: Pod | None = None
        self._autoscaler = Autoscaler(cluster, namespace) if growing else None

    def complete(self) -> bool:
        """Whether all of its pods are of the last template, and up."""
        return self._rollout.done()

    def failed(self, following: PodWatch) -> str | None:
        """Return why its newest pod can't come up any more, or can't be looked at."""
        if following.error and not following.error.transient:
            return following.error.said
        found = following.newest(self._component, self._rollout.template())
        failure = found and (found.failure or self._pull.refusal(found) or self._asked_for(found))
        if found and failure and self._autoscaler and failure.startswith(UNSCHEDULABLE):
            failure = self._autoscaler.refusal(found, failure)
        self._broken = found if failure else None
        return failure or None

    def _asked_for(self, pod: Pod) -> str:
        """Ask now and then for what no state tells of: what is not there to mount, a full node."""
        if pod.phase != "Pending" or time.monotonic() - self._asked < ASK_SECONDS:
            return ""
        self._asked = time.monotonic()
        missing = self._cluster.missing_mount(self._namespace, pod.name)
        return missing or explain_taint(self._cluster, pod.told)

    def progress(self, following: PodWatch) -> str:
        """Return in a few words how far it is."""
        word = self._autoscaler.last_word if self._autoscaler else ""
        newest = following.newest(self._component, self._rollout.template())
        if newest and newest.pull:
            word = f"its image can't be pulled yet: {with_advice(newest.pull)}"
        return f"{following.progress(self._component)}{word and f', {word}'}"

    def evidence(self, following: PodWatch) -> list[str]:
        """Return the last events and log lines of what failed, else of what is newest."""
        newest = following.pods(self._component)[-1:]
        found = self._broken or (newest[0] if newest else None)
        return evidence(self._cluster, self._namespace, found) if found else []


def failures(cluster: Cluster, namespace: str) -> list[str]:
    """Return the evidence of every pod that failed or can't come up: a hook's among them."""
    pods = [each for each in cluster.pods(namespace) if each.failure or each.phase == "Failed"]
    return [line for each in pods if not each.user for line in evidence(cluster, namespace, each)]


def evidence(cluster: Cluster, namespace: str, found: Pod) -> list[str]:
    """Return a pod's last events and log lines, for a person to see why."""
    happened = cluster.events(namespace, found.name)[-8:]
    told = [f"{found.name}: {each}" for each in happened]
    try:
        return told + cluster.last_lines(namespace, found.name, 12)
    except ApiError as error:
        return [*told, f"{found.name}: its log could not be read, {error.said}"]


class Autoscaler:
    """The autoscaler of a cluster, if it has one; `last_word` is its own while it adds a node."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._began: dict[str, float] = {}
        self._asked = 0.0
        self.last_word = ""

    def refusal(self, pod: Pod, failure: str) -> str:
        """Return why the pod gets no node, once that is sure; empty while one may be added."""
        now = time.monotonic()
        began = self._began.setdefault(pod.uid, now)
        if now - self._asked < ASK_SECONDS:
            return ""
        self._asked = now
        told = self._cluster.events(self._namespace, pod.name)
        words = [each for each in told if each.reason in ADDS | REFUSES]
        if words and words[-1].reason in REFUSES:
            return f"{failure}; {words[-1]}"
        self.last_word = str(words[-1]) if words else ""
        if words or now - began < WORD_SECONDS:
            return ""
        return f"{failure}; no autoscaler has said in {WORD_SECONDS:.0f} s that it adds a node"


def explain_taint(cluster: Cluster, told: str) -> str:
    """Return which nodes are under which pressure, where the scheduler may have meant that.

    A node under pressure takes no pod, and ends those it has; the scheduler of Kubernetes 1.34 says
    that taints keep a pod away, and not which. Nothing where none is under pressure, or the nodes
    may not be asked for.
    """
    if UNSAID not in told:
        return ""
    try:
        nodes = cluster.listed(lambda: cluster.api.list_node(_request_timeout=SECONDS))
    except ApiError:
        return ""  # what the scheduler said is reported anyway
    found = [
        f"node {each.metadata.name} has the taint {taint.key}"
        for each in nodes
        for taint in each.spec.taints or ()
        if taint.key in TAINTS
    ]
    return f"{UNSCHEDULABLE}{', '.join(found)}" if found else ""
