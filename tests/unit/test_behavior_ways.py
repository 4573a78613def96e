"""Rules on what reaches what in production: policies, routes, the hub's own address."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.helm_values.behavior import (
    culling,
    database,
    homes,
    images,
    objects,
    reachability,
    routes,
    servers,
    sign_in,
    startup,
)
from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation

HUB, PROXY = {"component": "hub"}, {"component": "proxy"}
SERVER = {"component": "singleuser-server", "access-hub": "true"}
INSIDE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.169.254/32"]
EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0", "except": INSIDE}}
PRIVATE = {"ipBlock": {"cidr": "10.0.0.0/8"}}


def evaluation(*manifests: dict[str, Any], **found: Any) -> Evaluation:
    return Evaluation({"manifests": [*manifests], **found}, {}, {"hub": {"baseUrl": "/"}})


def deployment(container: str, labels: dict[str, str]) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": container}]}}
    return {"kind": "Deployment", "spec": {"template": template}}


def policy(labels: dict[str, str], **rules: Any) -> dict[str, Any]:
    types = [kind.title() for kind in rules]
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": types, **rules}
    return {"kind": "NetworkPolicy", "spec": spec}


def to(*peers: dict[str, Any], port: int | None = None) -> dict[str, Any]:
    return {"to": [*peers], **({"ports": [{"port": port}]} if port else {})}


def says(found: Any) -> list[str]:
    return [each.says for each in found if isinstance(each, Finding)]


PODS = (deployment("hub", HUB), deployment("chp", PROXY))
STARTED = {"pods": [{"pod": {"metadata": {"labels": SERVER}}}]}
FROM_SERVERS = {"from": [{"podSelector": {"matchLabels": {"access-hub": "true"}}}]}
NAMES = to(port=53)


def test_without_policies_everything_is_reached() -> None:
    assert says(reachability.connected(evaluation(*PODS, **STARTED))) == []


@pytest.mark.parametrize(
    ("label", "reached"),
    [({"access-hub": "true"}, True), ({"access-hub": "false"}, False), ({}, False)],
)
def test_a_server_reaches_the_hub_by_its_labels(label: dict[str, str], reached: bool) -> None:
    into = policy(HUB, ingress=[FROM_SERVERS, {"from": [{"podSelector": {"matchLabels": PROXY}}]}])
    pods = [{"pod": {"metadata": {"labels": {"component": "singleuser-server", **label}}}}]
    found = says(reachability.connected(evaluation(*PODS, into, pods=pods)))
    assert found == ([] if reached else ["a server does not reach the hub: none starts"])


@pytest.mark.parametrize(
    ("egress", "missing"),
    [
        ([{}], []),
        ([NAMES, to(EVERYWHERE), to(PRIVATE)], []),
        ([NAMES, to(EVERYWHERE)], ["private"]),
        ([NAMES, to(PRIVATE)], ["public"]),
        ([to(EVERYWHERE)], ["names", "private"]),
        ([NAMES, to({"ipBlock": {"cidr": "140.82.112.0/20"}}), to(PRIVATE)], []),
        ([NAMES, to({"ipBlock": {"cidr": "169.254.169.254/32"}})], ["private", "public"]),
    ],
    ids=str,
)
def test_the_hub_reaches_what_it_needs(egress: list[Any], missing: list[str]) -> None:
    own = to({"podSelector": {}}, port=8001)
    traits = {"token_url": "https://github.com/login/oauth/access_token"}
    found = evaluation(*PODS, policy(HUB, egress=[own, *egress]), authenticator={"traits": traits})
    told = says(reachability.connected(found))
    assert len(told) == len(missing)
    assert all(word in each for word, each in zip(missing, told, strict=True)), told


def test_an_ingress_controller_without_a_label_may_not_reach_the_proxy() -> None:
    labelled = policy(PROXY, ingress=[FROM_SERVERS])
    hub = policy(HUB, ingress=[{}])
    (told,) = reachability.watched(evaluation(*PODS, labelled, hub))
    assert told.warning
    assert "reach the proxy" in told.says
    other = {
        "from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
        "ports": [{"port": "http"}],
    }
    assert not [*reachability.watched(evaluation(*PODS, policy(PROXY, ingress=[other]), hub))]


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    spec = {"ports": [*ports], "selector": PROXY}
    return {"kind": "Service", "metadata": {"name": "proxy-public"}, "spec": spec}


def ingress(path: str = "/", kind: str = "Prefix", port: str = "http") -> dict[str, Any]:
    backend = {"service": {"name": "proxy-public", "port": {"name": port}}}
    paths = [{"path": path, "pathType": kind, "backend": backend}]
    return {"kind": "Ingress", "spec": {"rules": [{"host": "a.org", "http": {"paths": paths}}]}}


HTTP = service({"name": "http", "port": 80})


@pytest.mark.parametrize(
    ("route", "behind", "right"),
    [
        (ingress(), HTTP, True),
        (ingress("/*", "ImplementationSpecific"), HTTP, True),
        (ingress("/(.*)", "ImplementationSpecific"), HTTP, True),
        (ingress("/x/"), HTTP, False),
        (ingress("/", "Exact"), HTTP, False),
        (ingress(), service({"name": "https", "port": 443}), False),
    ],
    ids=str,
)
def test_a_route_leads_to_the_hub(route: Any, behind: Any, right: bool) -> None:
    assert (says(routes.routed(evaluation(*PODS, route, behind))) == []) is right


@pytest.mark.parametrize(
    "hub",
    [
        {"base_url": "/x/"},
        {"hub_bind_url": "http://127.0.0.1:8081"},
        {"subdomain_host": "https://a.org"},
    ],
    ids=str,
)
def test_a_hub_is_where_it_is_looked_for(hub: dict[str, Any]) -> None:
    assert says(routes.addressed(evaluation(ingress(), hub=hub)))
    assert not says(routes.addressed(evaluation(ingress(), hub={"base_url": "/"})))


@pytest.mark.parametrize("name", ["JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_URL"])
def test_a_server_is_not_sent_to_itself(name: str) -> None:
    def made(host: str) -> Evaluation:
        env = [{"name": name, "value": f"http://{host}:8081/"}]
        return evaluation(pods=[{"pod": {"spec": {"containers": [{"env": env}]}}}])

    assert says(routes.addressed(made("127.0.0.1")))
    assert not says(routes.addressed(made("hub")))
    assert not says(routes.addressed(made("0.0.0.0")))


@pytest.mark.parametrize(
    ("unread", "warning"),
    [
        ({"section": "KubeSpawner", "trait": "mem_limits", "near": "mem_limit"}, False),
        ({"section": "GithubOAuthenticator", "trait": "", "near": "GitHubOAuthenticator"}, False),
        ({"section": "GitHubOAuthenticator", "trait": "allowed_teams", "near": ""}, False),
        ({"section": "Authenticator", "trait": "create_system_users", "near": ""}, True),
    ],
    ids=str,
)
def test_what_nothing_reads_is_told(unread: dict[str, str], warning: bool) -> None:
    (told,) = startup.unread(evaluation(unread=[unread]))
    assert told.warning is warning


@pytest.mark.parametrize(
    "found",
    [
        {"told_nothing": True},
        {"hub": {"reset_db": True}},
        {"spawner": {"class": "kubespawner.KubeSpawner", "traits": {"http_timeout": 0}}},
    ],
    ids=str,
)
def test_a_hub_that_does_not_stay_is_told(found: dict[str, Any]) -> None:
    assert says(startup.kept(evaluation(**found)))
    assert not says(startup.kept(evaluation(hub={"reset_db": False})))


def test_a_hub_whose_account_no_role_is_bound_to_is_told() -> None:
    def bound(name: str) -> dict[str, Any]:
        return {"kind": "RoleBinding", "subjects": [{"kind": "ServiceAccount", "name": name}]}

    assert says(servers.of_the_hub(evaluation(*PODS, bound("hub"))))
    assert not says(servers.of_the_hub(evaluation(*PODS, bound("default"))))


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        ({"namespace": "habari"}, False),
        ({"namespace": "other"}, True),
        ({"enable_user_namespaces": True}, True),
    ],
    ids=str,
)
def test_servers_in_another_namespace_are_told(traits: dict[str, Any], told: bool) -> None:
    spawner = {"class": "kubespawner.KubeSpawner", "traits": traits}
    assert bool(says(servers.of_the_hub(evaluation(*PODS, spawner=spawner)))) is told


@pytest.mark.parametrize(
    ("scopes", "roles", "right"),
    [
        (["servers!user=a", "access:servers!user=a"], [], True),
        ([], [], False),
        ([], [{"name": "members", "scopes": ["self"], "groups": ["a"]}], True),
    ],
    ids=str,
)
def test_a_user_may_start_a_server(scopes: list[str], roles: list[Any], right: bool) -> None:
    found = evaluation(user_scopes=scopes, roles=roles)
    assert (says(sign_in.rights_to_start(found)) == []) is right


GITHUB = {"class": "habari_auth.HabariAuthenticator", "bases": [sign_in.GITHUB, sign_in.OAUTH]}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"allowed_organizations": ["acme"], "client_id": "Ov23liX"}, [False]),
        ({"allowed_organizations": ["acme:data"], "client_id": "", "scope": []}, [True]),
        ({"populate_teams_in_auth_state": True, "client_id": "8a61f9b3a7aba7661f00"}, [False]),
        ({"allowed_organizations": ["acme"], "client_id": "Ov23liX", "scope": ["read:org"]}, []),
        ({"allowed_organizations": ["acme"], "client_id": "Ov23liX", "scope": ["admin:org"]}, []),
        ({"allowed_organizations": ["acme"], "client_id": "Iv1.8a61f9b3a7aba766"}, []),
        ({"allowed_users": ["grace"], "client_id": "Ov23liX"}, []),
    ],
    ids=str,
)
def test_memberships_are_seen_by_whom_github_shows_them(
    traits: dict[str, Any], expected: list[bool]
) -> None:
    """GitHub makes memberships private: each member had 403."""
    found = evaluation(authenticator={**GITHUB, "traits": traits})
    assert [each.warning for each in sign_in.scopes(found)] == expected


def test_two_volumes_at_the_home_are_no_shared_home() -> None:
    """Kubernetes refuses such a pod: its own error, and "all have the same home" was untrue."""
    volumes = [
        {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("home", "shared")
    ]
    mounts = [{"name": name, "mountPath": "/home/jovyan"} for name in ("home", "shared")]

    def pod(name: str, count: int) -> dict[str, Any]:
        container = {"name": "notebook", "volumeMounts": mounts[-count:]}
        return {"metadata": {"name": name}, "spec": {"volumes": volumes, "containers": [container]}}

    for count, expected in ((1, 1), (2, 0)):
        found = evaluation(pods=[{"pod": pod("a", count)}], pod_of_another={"pod": pod("b", count)})
        assert len(says(homes.separate(found))) == expected


def test_a_digest_in_the_name_without_a_tag_is_told_where_it_is() -> None:
    failed: dict[str, Any] = {
        "stage": "template",
        "error": "",
        "message": "no YAML",
        "place": [],
        "where": None,
    }
    image = {"name": f"registry.acme.com/a@sha256:{64 * 'a'}", "tag": ""}
    made = Evaluation({"failures": [failed]}, {"singleuser": {"image": image}}, {})
    (told,) = startup.starts(made)
    assert told.place == ("singleuser", "image", "tag")
    assert "colon" in told.says


@pytest.mark.parametrize("odd", [["x"], [3], [None], [["x"]]], ids=str)
def test_lists_of_something_else_are_no_traceback(odd: list[Any]) -> None:
    pod = {"volumes": odd, "containers": [{"name": "hub"}, *odd]}
    made = {"kind": "Deployment", "spec": {"template": {"spec": pod}}}
    route = {"kind": "HTTPRoute", "spec": {"parentRefs": odd, "hostnames": 3}}
    server = {"volumes": odd, "containers": [{"name": "notebook", "env": odd, "volumeMounts": odd}]}
    found = evaluation(
        made,
        route,
        invalid=[[{"path": [], "says": "odd"}], []],
        pods=[{"choice": "", "pod": {"metadata": {}, "spec": server}, "volume": {}}],
        services=[*odd, {"command": ["jupyterhub-idle-culler", *odd]}],
        database="sqlite",
        database_file="jupyterhub.sqlite",
    )
    found.whole["singleuser"] = {"storage": {"type": "dynamic"}}
    assert says(objects.taken(found))
    assert says(homes.mounted(found))
    assert says(database.lasting(found))
    for rule in (
        *(servers.of_the_hub, images.pinned, routes.routed, reachability.connected),
        *(culling.in_use, homes.separate),
    ):
        assert all(isinstance(each, Finding) for each in rule(found))
