"""Rules on what production does: what they make of images and of policies, without a chart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from habari_local.helm_values.behavior.images import verdict
from habari_local.helm_values.behavior.network import METADATA, _allows
from habari_local.helm_values.behavior.object_values import number
from habari_local.helm_values.behavior.objects import problems_of

DIGEST = "@sha256:" + 64 * "0"


@pytest.mark.parametrize(
    "image",
    [
        *("foo:1.2", "localhost:5000/a/b:x-1", f"foo{DIGEST}", f"foo:latest{DIGEST}"),
        *("europe-docker.pkg.dev/my-team/habari/habari-notebook:0123456789ab", "foo:2026.11.1"),
        *("quay.io/jupyterhub/k8s-hub:4.4.0", "Registry.acme.com/a__b:V1.2", "foo:stable-20261101"),
    ],
)
def test_an_image_that_stays_is_good(image: str) -> None:
    assert verdict(image) == ("", False)


@pytest.mark.parametrize(
    ("image", "warning"),
    [
        *(("foo", False), ("foo:latest", False), ("a.b:5000/foo", False), ("foo:Latest", False)),
        *(("foo:latest ", False), ("foo:", False), ("a:latest:1", False), ("foo:None:1", False)),
        *(("foo:main", True), ("foo:3", True), ("foo:v3", True), ("foo:nightly", True)),
    ],
)
def test_an_image_that_moves_is_told(image: str, warning: bool) -> None:
    says, found = verdict(image)
    assert says
    assert found is warning


def policy(*rules: Any, types: tuple[str, ...] = ("Egress",)) -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "spec": {"policyTypes": list(types), "egress": list(rules)}}


def to(cidr: str, *beside: str) -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": cidr, "except": list(beside)}}]}


@pytest.mark.parametrize(
    ("made", "reached"),
    [
        (policy(), False),
        (policy(types=("Ingress",)), True),
        (policy({}), True),
        (policy(to("0.0.0.0/0")), True),
        (policy(to("0.0.0.0/0", f"{METADATA}/32")), False),
        (policy(to("169.254.0.0/16")), True),
        (policy({**to("0.0.0.0/0"), "ports": [{"port": 53}, {"port": 53}]}), False),
        (policy({**to("0.0.0.0/0"), "ports": [{"port": 53}, {"port": 80}]}), True),
        (policy({"to": [{"podSelector": {}}]}), False),
        (policy(to("no address")), False),
    ],
)
def test_what_a_policy_lets_a_server_reach(made: dict[str, Any], reached: bool) -> None:
    assert _allows(made, METADATA) is reached


def pod(**more: Any) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": [{"name": "a", "image": "a:1", **more}]}}


def spec(**more: Any) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {**pod()["spec"], **more}}


def ingress(path: dict[str, Any]) -> dict[str, Any]:
    backend = {"service": {"name": "a", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend, **path}]
    return {"kind": "Ingress", "spec": {"rules": [{"http": {"paths": paths}}]}}


def service(*ports: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "Service", "spec": {"ports": list(ports), **more}}


def deployment(**more: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"template": {"spec": spec(**more)["spec"]}}}


SHARED = {"volumes": [{"name": "x"}]}
TWICE = [{"name": "x", "mountPath": "/x"}, {"name": "x", "mountPath": "/x/"}]


@pytest.mark.parametrize(
    "made",
    [
        *(pod(resources={kind: {"memory": "1GB"}}) for kind in ("limits", "requests")),
        pod(resources={"limits": {"cpu": "0,5"}}),
        pod(resources={"limits": {"cpu": 1}, "requests": {"cpu": "1500m"}}),
        pod(resources={"limits": {"memory": "1G"}, "requests": {"memory": "1Gi"}}),
        pod(resources={"requests": {"nvidia.com/gpu": "1"}}),
        pod(volumeMounts=[{"name": "x", "mountPath": "/x"}]),
        pod(imagePullPolicy="always"),
        pod(resources={"limits": {"nvidia.com/gpu": "0.5"}}),
        spec(volumes=[{"name": "x", "secret": {"secretName": None}}]),
        spec(volumes=[{"name": "x", "emptyDir": {}, "configMap": {"name": "y"}}]),
        {"kind": "StatefulSet", "spec": {"replicas": -1}},
        ingress({"path": "a/", "pathType": "Prefix"}),
        ingress({"path": "/*", "pathType": "Prefix"}),
        ingress({"backend": {"service": {"name": "a", "port": {"name": "b", "number": 1}}}}),
        ingress({"backend": {}}),
        pod(livenessProbe={"exec": {"command": ["true"]}, "tcpSocket": {"port": 1}}),
        pod(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}),
        pod(readinessProbe={"periodSeconds": 1}),
        pod(readinessProbe={"tcpSocket": {"port": 1}, "periodSeconds": -1}),
        pod(lifecycle={"preStop": {"exec": {}}}),
        pod(lifecycle={"preStop": {}}),
        pod(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nodeName"}}}]),
        pod(securityContext={"runAsNonRoot": True, "runAsUser": 0}),
        pod(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
        pod(securityContext={"seccompProfile": {"type": "Localhost"}}),
        pod(resources={"limits": {"gpu": 1}}),
        pod(resources={"requests": {"cpu": -1}}),
        spec(dnsPolicy="None"),
        spec(hostAliases=[{"ip": "db", "hostnames": ["db"]}]),
        spec(topologySpreadConstraints=[{"maxSkew": 0}]),
        spec(tolerations=[{"operator": "Equal", "value": "a"}]),
        spec(tolerations=[{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 3}]),
        spec(volumes=[{"name": "x", "secret": {"secretName": "a", "defaultMode": 755}}]),
        spec(volumes=[{"name": "x", "emptyDir": {"medium": "Ram"}}]),
        spec(volumes=[{"name": "x", "emptyDir": {"sizeLimit": "1GB"}}]),
        spec(imagePullSecrets=[{}]),
        deployment(restartPolicy="Never"),
        {"kind": "Deployment", "spec": {"strategy": {"type": "Rolling"}}},
        service({"port": 1}, type="ExternalName"),
        service(),
        service({"port": 1}, {"port": 2}),
        service({"port": 1, "name": "a"}, {"port": 2, "name": "a"}),
        service({"port": 1, "nodePort": 30000}),
        service({"port": 1}, ipFamilies=["IPV4"]),
        service({"port": 1}, externalIPs=["a.org"]),
        policy({"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}),
        policy({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}),
        policy({"ports": [{"port": 443, "endPort": 80}]}),
        policy({"ports": [{"port": 443, "protocol": "HTTPS"}]}),
        {"kind": "PersistentVolumeClaim", "spec": {"accessModes": []}},
        {"kind": "HTTPRoute", "spec": {"parentRefs": []}},
        {"kind": "PriorityClass", "value": 2 * 10**9},
        pod(env=[{"name": "A=B", "value": "1"}]),
        pod(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {}}}]),
        pod(securityContext={"runAsUser": -1}),
        pod(ports=[{"containerPort": 70000}]),
        spec(containers=[{"name": "a_b", "image": "a:1"}]),
        spec(containers=[{"name": "a"}]),
        spec(containers=[{"name": "a", "image": "a:1"}] * 2),
        spec(**SHARED, containers=[{"name": "a", "image": "a:1", "volumeMounts": TWICE}]),
        spec(volumes=[{"name": "x"}, {"name": "x"}]),
        spec(tolerations=[{"key": "a", "operator": "Equals"}]),
        spec(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        spec(tolerations=[{"key": "a", "effect": "NoScheduling"}]),
        spec(affinity={"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}),
        spec(affinity={"matchExpressions": [{"key": "a", "operator": "In"}]}),
        spec(nodeSelector={"a b": "c"}),
        spec(affinity={"matchExpressions": [{"key": "a b", "operator": "Exists"}]}),
        spec(volumes=[{"name": "x", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]),
        {"kind": "Service", "spec": {"ports": [{"nodePort": 80}]}},
        {"kind": "Service", "spec": {"loadBalancerSourceRanges": ["10.0.0.1"]}},
        {"kind": "NetworkPolicy", "spec": {"egress": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}},
        {"kind": "Ingress", "spec": {"rules": [{"host": "A.org"}, {"host": "a.org:443"}]}},
        {"kind": "Ingress", "spec": {"ingressClassName": "Nginx"}},
        {"kind": "PodDisruptionBudget", "spec": {"minAvailable": 1, "maxUnavailable": 1}},
        {"kind": "Secret", "metadata": {"labels": {"a": "b c"}}},
    ],
    ids=str,
)
def test_what_kubernetes_refuses_is_told(made: dict[str, Any]) -> None:
    assert [says for _, says in problems_of(made)]


@pytest.mark.parametrize(
    "made",
    [
        pod(resources={"limits": {"cpu": 2, "memory": 2147483648}, "requests": {"cpu": "100m"}}),
        pod(resources={"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": "1"}}),
        pod(resources={"limits": {"memory": "1.5Gi", "ephemeral-storage": "1e9"}}),
        spec(**SHARED, containers=[{"name": "a", "image": "a:1", "volumeMounts": TWICE[:1]}]),
        spec(tolerations=[{"operator": "Exists"}, {"key": "a", "value": "b", "effect": ""}]),
        spec(nodeSelector={"cloud.google.com/gke-nodepool": "users"}),
        {
            "kind": "Ingress",
            "spec": {"rules": [{"host": "*.a.org"}], "tls": [{"hosts": ["a.org"]}]},
        },
        {"kind": "PodDisruptionBudget", "spec": {"minAvailable": 1, "maxUnavailable": None}},
        {"kind": "ConfigMap", "data": {"limits": {"cpu": "much"}, "host": "A:B"}},
        service({"port": 80, "nodePort": 30443}, selector=None, type="NodePort"),
        pod(readinessProbe={"httpGet": {"port": "http", "path": "/"}, "successThreshold": 2}),
        pod(lifecycle={"preStop": {"sleep": {"seconds": 5}}}),
        pod(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
        spec(dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.10"]}),
        spec(nodeSelector={"protocol": "https"}, metadata={"labels": {"effect": "large"}}),
        deployment(restartPolicy="Always"),
        policy({"to": [{"podSelector": {}, "namespaceSelector": {}}], "ports": [{"port": "a"}]}),
    ],
    ids=str,
)
def test_what_kubernetes_takes_is_good(made: dict[str, Any]) -> None:
    assert list(problems_of(made)) == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500m", "0.5"), ("1Ki", "1024"), (".5", "0.5"), ("2k", "2000"), ("1e3", "1000"), (3, "3")],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: Any, amount: str) -> None:
    assert number(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "1GB", "2 G", "1,5", "many", "1Mb", True, "0x10", "٣"])
def test_what_is_no_quantity_is_none(text: Any) -> None:
    assert number(text) is None
