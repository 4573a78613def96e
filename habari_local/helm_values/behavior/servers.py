"""What users' servers may do on their node: as the pods of a made-up user are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from habari_local.helm_values.behavior.finding import Finding, of_trait
from habari_local.helm_values.behavior.images import containers
from habari_local.helm_values.behavior.object_values import items, number
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.rendered_diff import NAMESPACE
from habari_local.helm_values.values import Data, at, text_at

LEAST = 64 * 2**20  # bytes; JupyterLab alone takes more
METADATA = "block-cloud-metadata"  # the chart's own, which has to change the pod's network
HOST = ("hostNetwork", "hostPID", "hostIPC")
DANGEROUS = re.compile(r"ALL|SYS_.*|NET_ADMIN|NET_RAW|BPF|DAC_.*|SETUID|SETGID|MKNOD", re.I)
# Folders and sockets whose owner is the node's.
SYSTEM = re.compile(
    r"(/|/(etc|proc|sys|dev|root|boot|run|var/run)(/.*)?|/var/lib/(docker|kubelet|containerd).*|.*\.sock)$"
)
FRAMED = re.compile(r"frame-ancestors\s+([^;]*\s)?(\*|https?:)(\s|;|$)")
WITHOUT_HUB = re.compile(r"jupyter[- ](lab|notebook|server)(?!.*jupyterhub)( |$)")
HUBS_OWN = {"CONFIGPROXY_AUTH_TOKEN", "JUPYTERHUB_CRYPT_KEY"}  # variables of the hub's pod
OPEN = re.compile(r"(disable_check_xsrf|allow_origin(_pat)?|allow_root)[=\s]+['\"]?(True|\*|\.\*)")


def confined(evaluation: Evaluation) -> Iterator[Finding]:
    """A server is no root, gets no privilege, and sees nothing of the node."""
    seen: dict[Finding, None] = {}
    for each in evaluation.get("pods", default=[]):
        spec = each["pod"].get("spec") or {}
        found = [*_of_pod(evaluation, spec), *_of_token(evaluation, spec)]
        found += _of_secrets(evaluation, spec)
        for container in containers(each["pod"]):
            if container.get("name") != METADATA:
                first = container in (spec.get("initContainers") or ())
                found += _of_container(evaluation, container, first)
        seen |= dict.fromkeys(found)
    yield from seen


def _of_pod(evaluation: Evaluation, spec: Data) -> Iterator[Finding]:
    for name in HOST:
        if spec.get(name):
            yield _of(evaluation, "extra_pod_config", f"{name}: servers are part of the node")
    if str(spec.get("priorityClassName")).startswith("system-"):
        says = "a priority of the cluster's own parts: servers drive these out, or get none"
        yield _of(evaluation, "priority_class_name", says)
    if (spec.get("securityContext") or {}).get("runAsUser") == 0:
        yield _of(evaluation, "pod_security_context", "servers run as root, a user was expected")
    for volume in spec.get("volumes") or ():
        host = volume.get("hostPath")
        if host:
            says = "hostPath: servers read and write the node's files"
            yield _of(evaluation, "volumes", says, not SYSTEM.match(str(host.get("path"))))


def _of_token(evaluation: Evaluation, spec: Data) -> Iterator[Finding]:
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    automount = spec.get("automountServiceAccountToken")
    if automount or (account and automount is None):
        trait = "service_account" if account else "automount_service_account_token"
        says = "users' code can act in the cluster as the service account of their servers"
        bound = {
            subject.get("name")
            for made in evaluation.manifests
            if made.get("kind") in ("RoleBinding", "ClusterRoleBinding")
            for subject in made.get("subjects") or ()
        }
        yield _of(evaluation, trait, says, account not in bound)  # of the hub, it is the hub's


def _of_secrets(evaluation: Evaluation, spec: Data) -> Iterator[Finding]:
    """Yield secrets of the hub's that users' servers are given."""
    kept = {text_at(evaluation.whole, "hub", "existingSecret")} - {""}
    kept |= {
        text_at(made, "metadata", "name")
        for made in evaluation.manifests
        if made.get("kind") == "Secret" and text_at(made, "metadata", "name") in ("hub", "proxy")
    }
    names = [
        str((volume.get("secret") or {}).get("secretName")) for volume in spec.get("volumes") or ()
    ]
    if kept & set(names):
        says = "servers read a secret of the hub's: with it they are the hub"
        yield _of(evaluation, "volumes", says)
    variables = [
        str(at(each, ("valueFrom", "secretKeyRef", "name")))
        for container in containers({"spec": spec})
        for each in container.get("env") or ()
    ]
    variables += [
        str(at(each, ("secretRef", "name")))
        for container in containers({"spec": spec})
        for _, each in items(container.get("envFrom"))
    ]
    given = {
        each.get("name")
        for container in containers({"spec": spec})
        for _, each in items(container.get("env"))
    }
    if kept & set(variables) or given & HUBS_OWN:
        says = "servers are given a secret of the hub's: with it they are the hub"
        yield _of(evaluation, "environment", says)


def _of_container(evaluation: Evaluation, container: Data, first: bool) -> Iterator[Finding]:
    context = container.get("securityContext") or {}
    main = container.get("name") == "notebook"
    trait = "init_containers" if first else "extra_containers"

    def finding(name: str, says: str, warning: bool = False) -> Finding:
        return _of(evaluation, name if main else trait, says, warning)

    if context.get("privileged"):
        name = "privileged" if _set(evaluation, "privileged") else "container_security_context"
        yield finding(name, "privileged: a server is root on its node")
    if context.get("allowPrivilegeEscalation") and not context.get("privileged"):
        says = "processes may become root, false was expected"
        yield finding("allow_privilege_escalation", says, first)
    if context.get("runAsUser") == 0 and not first:
        yield finding("uid", "servers run as root, a user was expected")
    added = [str(each) for each in (context.get("capabilities") or {}).get("add") or ()]
    for each in added:
        says = f"adds the capability {each}"
        harmless = not DANGEROUS.fullmatch(each.removeprefix("CAP_"))
        yield finding("container_security_context", says, harmless or first)
    program = next(iter([*(container.get("command") or ()), *(container.get("args") or ())]), "")
    if main and " " in str(program).strip():
        says = "its first word has a space in it: no program is called so, a list was expected"
        yield finding("cmd", says)
    if main:
        yield from _of_program(evaluation, container)
        yield from _of_resources(evaluation, container.get("resources") or {})


def _of_program(evaluation: Evaluation, container: Data) -> Iterator[Finding]:
    """Yield a program that is no server of the hub's: it asks nobody who one is."""
    words = [str(word) for kind in ("command", "args") for word in container.get(kind) or ()]
    if words[:1] == ["null"]:
        yield _of(evaluation, "cmd", "a program called null, the value null was expected")
    elif WITHOUT_HUB.match(" ".join(words)):
        says = "does not know the hub, and lets nobody in: jupyterhub-singleuser was expected"
        yield _of(evaluation, "cmd", says)


def protected(evaluation: Evaluation) -> Iterator[Finding]:
    """Other sites' pages must not act in users' servers."""
    seen: dict[Finding, None] = {}
    for each in evaluation.get("pods", default=[]):
        for container in containers(each["pod"]):
            kinds = ("command", "args") if container.get("name") == "notebook" else ()
            words = [str(word) for kind in kinds for word in container.get(kind) or ()]
            found = OPEN.search(" ".join(words))
            if found:
                says = f"{found[1]}: pages of other sites act in users' servers"
                seen[_of(evaluation, "args" if _set(evaluation, "args") else "cmd", says)] = None
    yield from seen


def hub_protected(evaluation: Evaluation) -> Iterator[Finding]:
    """Other sites' pages must not act at the hub with the session of who opened them."""
    settings = evaluation.get("hub", "tornado_settings", default={})
    if not isinstance(settings, dict):
        return
    headers = settings.get("headers")
    found = (
        {str(k).lower(): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {}
    )
    says = ""
    if settings.get("xsrf_cookies") is False:
        says = "xsrf_cookies: pages of other sites act at the hub, true was expected"
    elif found.get("access-control-allow-origin", "").strip() == "*":
        says = "Access-Control-Allow-Origin: pages of other sites read what the hub answers"
    elif FRAMED.search(found.get("content-security-policy", "")):
        says = "frame-ancestors: any site may show the hub in a frame and have people click in it"
    if says:
        yield of_trait(evaluation, "hub", "tornado_settings", says)


def chart_pods(evaluation: Evaluation) -> Iterator[Finding]:
    """The chart's own pods are no part of their nodes: the hub reads what all users send."""
    seen: dict[Finding, None] = {}
    wrong = evaluation.get("invalid", default=[])
    for index, made in enumerate(evaluation.manifests):
        spec = at(made, ("spec", "template", "spec")) or {}
        if at(wrong, (index,)):
            continue  # told as what Kubernetes refuses
        part = "proxy" if "proxy" in text_at(made, "metadata", "name") else "hub"
        says = [f"{name}: it is part of the node" for name in HOST if spec.get(name)]
        for volume in spec.get("volumes") or ():
            path = str((volume.get("hostPath") or {}).get("path", ""))
            says += [f"hostPath {path}: the node's rights"] if path and SYSTEM.match(path) else []
        for container in containers({"spec": spec}):
            if (container.get("securityContext") or {}).get("privileged"):
                says.append("privileged: it is root on its node")
        seen |= {Finding((part,), f"{made.get('kind')}: {each}"): None for each in says}
    yield from seen


def of_the_hub(evaluation: Evaluation) -> Iterator[Finding]:
    """The hub may make pods; it alone writes its database, which stays when it restarts."""
    if not evaluation.manifests:
        return
    if text_at(evaluation.whole, "hub", "db", "type") == "sqlite-memory":
        yield Finding(("hub", "db", "type"), "each restart of the hub forgets everybody")
    traits = evaluation.get("spawner", "traits", default={})
    for name in ("namespace", "enable_user_namespaces"):
        if traits.get(name) not in (None, False, NAMESPACE):
            says = (
                "the chart gives the hub rights, and servers policies, in its own namespace alone"
            )
            yield _of(evaluation, name, f"{says}: no server starts", _granted(evaluation))
    bound = {
        str(subject.get("name"))
        for made in evaluation.manifests
        if made.get("kind") == "RoleBinding"
        for subject in made.get("subjects") or ()
    }
    for made in evaluation.manifests:
        spec = at(made, ("spec", "template", "spec")) or {}
        names = [each.get("name") for each in containers({"spec": spec})]
        if made.get("kind") != "Deployment" or "hub" not in names:
            continue
        account = spec.get("serviceAccountName") or "default"
        if bound and account not in bound:
            says = f"the hub runs as {account}, which no role is bound to: no server starts"
            yield Finding(("hub", "serviceAccount"), says)
        kind = at(made, ("spec", "strategy", "type")) or "RollingUpdate"
        claims = any(each.get("persistentVolumeClaim") for _, each in items(spec.get("volumes")))
        if kind != "Recreate" and claims:
            says = "two hubs write one database while one replaces the other, Recreate was expected"
            yield Finding(("hub", "deploymentStrategy", "type"), says)


def _granted(evaluation: Evaluation) -> bool:
    """Whether somebody else may give the hub its rights: the chart is told to give none."""
    return at(evaluation.whole, ("rbac", "create")) is False


def _of_resources(evaluation: Evaluation, resources: Data) -> Iterator[Finding]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, short in (("memory", "mem"), ("cpu", "cpu")):
        limit, request = _number(limits.get(name)), _number(requests.get(name))
        if limit is not None and request is not None and request > limit:
            says = "more is guaranteed than the limit allows: Kubernetes refuses each pod"
            yield _of(evaluation, f"{short}_guarantee", says)
    least = number(limits.get("memory")) if limits.get("memory") else None
    if least is not None and least < LEAST:
        says = "less than 64 MiB: no server starts in it; without a unit it is bytes"
        yield _of(evaluation, "mem_limit", says)
    if not limits.get("memory"):
        says = "not set: one server can take all memory of its node"
        yield _of(evaluation, "mem_limit", says, True)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _set(evaluation: Evaluation, trait: str) -> bool:
    return bool(evaluation.get("spawner", "traits", trait))


def _of(evaluation: Evaluation, trait: str, says: str, warning: bool = False) -> Finding:
    return of_trait(evaluation, "spawner", trait, says, warning)
