"""Rules on what has to run, and stay, for people to reach the hub and a server."""

from __future__ import annotations

from typing import Any

import pytest

from habari_local.helm_values.behavior import (
    culling,
    database,
    homes,
    hub_pod,
    ingress,
    scheduling,
    servers,
    sign_in,
    startup,
)
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.rules.placeholders_and_secrets import placeholders, plain_secrets

ISSUER = {"cert-manager.io/cluster-issuer": "letsencrypt"}
NGINX = "nginx.ingress.kubernetes.io"
CULLER = "jupyterhub-idle-culler"


def places(rule: Any, whole: Any = None, *manifests: Any, **found: Any) -> list[str]:
    made = Evaluation({"manifests": [*manifests], **found}, whole or {}, whole or {})
    return [".".join(map(str, each.place)) for each in rule(made) if not each.warning]


def an_ingress(annotations: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"kind": "Ingress", "metadata": {"annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("made", "values", "expected"),
    [
        (an_ingress({}, ingressClassName="nginx"), {}, []),
        (an_ingress({"kubernetes.io/ingress.class": "nginx"}), {}, []),
        (
            an_ingress({"kubernetes.io/ingress.class": "nginx"}, ingressClassName="nginx"),
            {},
            ["ingress.annotations.kubernetes.io/ingress.class"],
        ),
        (an_ingress(ISSUER, tls=[{"hosts": ["a"], "secretName": "tls"}]), {}, []),
        (an_ingress(ISSUER, tls=[{"hosts": ["a"]}]), {}, []),  # a warning
        (
            an_ingress({**ISSUER, "cert-manager.io/issuer": "own"}),
            {},
            ["ingress.annotations.cert-manager.io/issuer"],
        ),
        (an_ingress({f"{NGINX}/backend-protocol": "http"}), {}, []),
        (
            an_ingress({f"{NGINX}/backend-protocol": "https"}),
            {},
            [f"ingress.annotations.{NGINX}/backend-protocol"],
        ),
        (an_ingress({f"{NGINX}/rewrite-target": "/$1"}), {}, []),
        (
            an_ingress({f"{NGINX}/rewrite-target": "/"}),
            {},
            [f"ingress.annotations.{NGINX}/rewrite-target"],
        ),
        (
            an_ingress({}),
            {"proxy": {"https": {"enabled": True, "type": "secret"}}},
            ["proxy.https.enabled"],
        ),
        (an_ingress({}), {"proxy": {"https": {"enabled": True, "type": "offload"}}}, []),
    ],
    ids=str,
)
def test_an_ingress_is_served(made: Any, values: Any, expected: list[str]) -> None:
    assert places(ingress.served, values, made) == expected


def a_scheduler(**spec: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": "user-scheduler"}, "spec": spec}


def a_priority(name: str, value: int) -> dict[str, Any]:
    return {"kind": "PriorityClass", "metadata": {"name": name}, "value": value}


@pytest.mark.parametrize(
    ("scheduler", "manifests", "expected"),
    [
        ("habari-user-scheduler", [a_scheduler(replicas=2)], []),
        ("habari-user-scheduler", [a_scheduler(replicas=0)], ["scheduling.userScheduler.replicas"]),
        ("habari-user-scheduler", [a_priority("x", 1)], ["singleuser.schedulerName"]),
        ("default-scheduler", [a_scheduler(replicas=0)], []),
        ("", [a_priority("default-priority", 0), a_priority("user-placeholder-priority", -9)], []),
        (
            "",
            [a_priority("default-priority", -20), a_priority("user-placeholder-priority", 10)],
            ["scheduling.podPriority.userPlaceholderPriority"],
        ),
    ],
)  # fmt: skip
def test_somebody_gives_servers_a_node(
    scheduler: str, manifests: list[Any], expected: list[str]
) -> None:
    pods = [{"pod": {"spec": {"schedulerName": scheduler}}}]
    assert places(scheduling.scheduled, {}, *manifests, pods=pods) == expected


def a_hub(probe: Any = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "hub", "livenessProbe": probe, "securityContext": {"runAsUser": 1000}}
    return {
        "kind": "Deployment",
        "spec": {"template": {"spec": {"containers": [container], **spec}}},
    }


DISK = {"volumes": [{"name": "db", "persistentVolumeClaim": {"claimName": "hub-db-dir"}}]}
FS_GROUP = ["hub.podSecurityContext.fsGroup"]
HASTY = {"initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 1}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (a_hub(), []),
        (a_hub({"initialDelaySeconds": 300, "periodSeconds": 10}), []),
        (a_hub(HASTY), ["hub.livenessProbe.initialDelaySeconds"]),
        (a_hub(**DISK), FS_GROUP),
        (a_hub(**DISK, securityContext={"fsGroup": 1000}), []),
        (a_hub(**DISK, initContainers=[{"name": "chown"}]), []),
    ],
)
def test_the_hubs_pod_stays(made: Any, expected: list[str]) -> None:
    assert places(hub_pod.stays, {}, made) == expected


HTTP_PROXY = "hub.config.ConfigurableHTTPProxy"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"hub": {"hub_bind_url": "http://:8081"}}, []),
        ({"proxy": {"api_url": "http://proxy-api:8001"}}, []),
        ({"hub": {"hub_bind_url": "http://:8082"}}, ["hub.config.JupyterHub.hub_bind_url"]),
        ({"hub": {"hub_bind_url": "http://:x"}}, []),  # a wrong type of value is another rule's
        ({"proxy": {"should_start": True}}, [f"{HTTP_PROXY}.should_start"]),
        ({"proxy": {"api_url": "http://127.0.0.1:8001"}}, [f"{HTTP_PROXY}.api_url"]),
    ],
)  # fmt: skip
def test_hub_and_proxy_find_each_other(found: Any, expected: list[str]) -> None:
    assert places(hub_pod.reached, {}, **found) == expected


def test_the_hub_is_behind_the_proxy_alone() -> None:
    made = {"kind": "Service", "metadata": {"name": "hub"}, "spec": {"type": "LoadBalancer"}}
    assert places(hub_pod.reached, {}, made) == ["hub.service.type"]
    made["metadata"] = {"name": "proxy-public"}
    assert places(hub_pod.reached, {}, made) == []


@pytest.mark.parametrize(
    ("flag", "good"), [("--timeout 60000", False), ("--timeout=60000", True), ("60000", True)]
)
def test_a_flag_of_the_proxy_is_one_that_it_knows(flag: str, good: bool) -> None:
    values = {"proxy": {"chp": {"extraCommandLineFlags": [flag]}}}
    assert (places(hub_pod.reached, values) == []) is good


@pytest.mark.parametrize(
    ("cull", "found", "expected"),
    [
        ({"maxAge": 60}, {}, ["cull.maxAge"]),
        ({"maxAge": 86400}, {}, []),
        ({"users": True}, {"pods": [{"volume": {"a": 1}}]}, ["cull.users"]),
        ({"users": True}, {"pods": [{"volume": {}}]}, []),
        (
            {"users": True},
            {"pods": [{"volume": {"a": 1}}], "spawner": {"traits": {"delete_pvc": False}}},
            [],
        ),
        ({}, {"services": [{"name": CULLER}], "roles": [{"services": [CULLER]}]}, []),
        (
            {},
            {"services": [{"name": CULLER}], "roles": [{"name": "other"}]},
            ["hub.config.JupyterHub.load_roles"],
        ),
    ],
)
def test_the_culler_stops_what_is_idle_and_nothing_else(
    cull: Any, found: Any, expected: list[str]
) -> None:
    assert places(culling.kept, {"cull": {"enabled": True, **cull}}, **found) == expected


@pytest.mark.parametrize(
    ("driver", "expected"), [("asyncpg", ["hub.db.url"]), ("psycopg2", []), (None, [])]
)
def test_the_database_is_asked_by_a_driver_that_waits(
    driver: str | None, expected: list[str]
) -> None:
    found = {"database": "postgresql", "database_driver": driver}
    assert places(database.lasting, {"hub": {"db": {"type": "postgres"}}}, **found) == expected


def a_server(path: str, **volume: Any) -> dict[str, Any]:
    container = {"name": "notebook", "volumeMounts": [{"name": "home", "mountPath": path}]}
    volumes = [{"name": "home", **volume}]
    return {"pod": {"spec": {"containers": [container], "volumes": volumes}}}


@pytest.mark.parametrize(
    ("volume", "kept"),
    [
        ({"persistentVolumeClaim": {"claimName": "a"}}, True),
        ({"nfs": {"server": "a", "path": "/"}}, True),
        ({"emptyDir": {}}, False),
        ({"hostPath": {"path": "/srv"}}, False),
    ],
    ids=str,
)
def test_a_home_is_kept_with_whatever_type_of_storage(volume: Any, kept: bool) -> None:
    values = {"singleuser": {"storage": {"type": "none"}}}
    found = places(homes.mounted, values, pods=[a_server("/home/jovyan", **volume)])
    assert (found == []) is kept


@pytest.mark.parametrize(
    ("path", "more", "good"),
    [
        ("/home/jovyan", {}, True),
        ("/home/joyvan", {}, False),
        ("/home/joyvan", {"NB_USER": "joyvan"}, True),
        ("/home/user", {}, True),
        ("/data", {}, True),
    ],
)
def test_a_misspelled_home_is_another_folder(path: str, more: Any, good: bool) -> None:
    values = {"singleuser": {"storage": {"homeMountPath": path}, "extraEnv": more}}
    assert (places(homes.named, values) == []) is good


GITHUB = {"class": "x", "bases": [sign_in.GITHUB, sign_in.OAUTH]}
PAGES = {"github_url": "https://github.com", "github_api": "https://api.github.com"}
PAGES |= {"userdata_url": "https://api.github.com/user"}
PAGES |= {"authorize_url": "https://github.com/login/oauth/authorize"}
PAGES |= {"token_url": "https://github.com/login/oauth/access_token"}


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("", ""),
        ("authorize_url", "https://github.com/login/oauth/authorise"),
        ("token_url", "https://github.com/login/oauth/authorize"),
    ],
)
def test_github_is_asked_where_it_answers(name: str, address: str) -> None:
    traits = {**PAGES, **({name: address} if name else {})}
    found = places(sign_in.usable, {}, authenticator={**GITHUB, "traits": traits})
    assert found == ([f"hub.config.GitHubOAuthenticator.{name}"] if name else [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"active_server_limit": -1}, ["hub.config.JupyterHub.active_server_limit"]),
        ({"concurrent_spawn_limit": -1}, ["hub.config.JupyterHub.concurrent_spawn_limit"]),
        ({"concurrent_spawn_limit": 0, "active_server_limit": 10}, []),
    ],
)
def test_a_limit_lets_somebody_start(given: Any, expected: list[str]) -> None:
    assert places(startup.kept, {}, hub=given) == expected


def test_a_role_is_given_to_users_and_not_to_letters() -> None:
    roles = [{"name": "helpers", "users": "ada"}, {"name": "more", "users": ["ada"]}]
    assert places(startup.kept, {}, roles=roles) == ["hub.loadRoles"]


@pytest.mark.parametrize(
    ("words", "good"),
    [
        (["jupyter", "lab"], False),
        (["jupyter-notebook"], False),
        (["null"], False),
        (["jupyterhub-singleuser"], True),
        (["jupyter-labhub"], True),
        (["start.sh", "jupyter", "labhub"], True),
        (["jupyter", "lab", "--ServerApp.jpserver_extensions=jupyterhub.singleuser"], True),
    ],
    ids=str,
)  # fmt: skip
def test_a_server_knows_the_hub(words: list[str], good: bool) -> None:
    container = {"name": "notebook", "args": words, "resources": {"limits": {"memory": "1G"}}}
    pods = [{"pod": {"spec": {"containers": [container]}}}]
    assert (places(servers.confined, {}, pods=pods) == []) is good


def test_a_servers_priority_is_not_the_clusters() -> None:
    pods = [{"pod": {"spec": {"priorityClassName": "system-node-critical"}}}]
    assert places(servers.confined, {}, pods=pods) == ["singleuser.priorityClassName"]


def test_a_secret_of_the_hub_is_not_all_of_a_servers_environment() -> None:
    container = {"name": "notebook", "envFrom": [{"secretRef": {"name": "hub"}}]}
    secret = {"kind": "Secret", "metadata": {"name": "hub"}}
    pods = [{"pod": {"spec": {"containers": [container]}}}]
    found = places(servers.confined, {}, secret, pods=pods)
    assert "singleuser.extraEnv" in found


def test_tokens_in_the_values_are_told_and_not_shown() -> None:
    tokens = {"hub": {"config": {"JupyterHub": {"api_tokens": {"a-token": "ada"}}}}}
    ((place, _),) = plain_secrets(tokens)
    assert place == ("hub", "config", "JupyterHub", "api_tokens")


@pytest.mark.parametrize(
    ("text", "good"),
    [("<svg xmlns='x'/>", True), ("<br/>", True), ("<your name>", False), ("<TOKEN>", False)],
)
def test_markup_is_no_placeholder(text: str, good: bool) -> None:
    assert (list(placeholders({"a": text})) == []) is good


@pytest.mark.parametrize(
    ("name", "tag", "good"),
    [
        ("quay.io/jupyterhub/k8s-hub", "4.3.0", True),
        ("quay.io/jupyterhub/k8s-hub", "1.2.0", False),
        ("jupyterhub/k8s-hub", "3.3.8", False),
        ("registry.acme.com/hub", "1.2.0", True),
        ("quay.io/jupyterhub/k8s-hub", "main", True),
    ],
)
def test_the_hubs_image_is_the_charts(name: str, tag: str, good: bool) -> None:
    values = {"hub": {"image": {"name": name, "tag": tag}}}
    made = {"kind": "Service", "metadata": {"labels": {"helm.sh/chart": "jupyterhub-4.3.2"}}}
    assert (places(hub_pod.fits, values, made) == []) is good


@pytest.mark.parametrize(
    ("command", "good"),
    [
        ("rm -rf /home/jovyan/* && echo ready", False),
        ("rm -r -f /home/jovyan", False),
        ('rm -rf "$HOME"', False),
        ("rm -rf /home/jovyan/.cache", True),
        ("rm -rf /tmp/*", True),
        ("mkdir -p /home/jovyan/work", True),
    ],
)
@pytest.mark.parametrize("kind", ["init", "hook"])
def test_nothing_deletes_the_home_with_each_start(command: str, good: bool, kind: str) -> None:
    words = ["sh", "-c", command]
    spec: dict[str, Any] = {"initContainers": [{"name": "first", "command": words}]}
    if kind == "hook":
        hook = {"preStop": {"exec": {"command": words}}}
        spec = {"containers": [{"name": "notebook", "lifecycle": hook}]}
    found = places(homes.emptied, {}, pods=[{"pod": {"spec": spec}}])
    expected = "singleuser.initContainers" if kind == "init" else "singleuser.lifecycleHooks"
    assert found == ([] if good else [expected])


@pytest.mark.parametrize(("kind", "good"), [("dynamic", False), ("none", True)])
def test_a_folder_of_the_home_is_not_all_of_it_where_that_was_asked_for(
    kind: str, good: bool
) -> None:
    values = {"singleuser": {"storage": {"type": kind}}}
    claim = {"persistentVolumeClaim": {"claimName": "shared"}}
    found = places(homes.mounted, values, pods=[a_server("/home/jovyan/shared", **claim)])
    assert (found == []) is good


@pytest.mark.parametrize(
    ("template", "named", "told"),
    [
        ("claim-{user_server}", True, True),
        ("", True, True),
        ("claim-{user_server}", False, False),
        ("claim-{username}", True, False),
    ],
)
def test_an_idle_named_server_takes_its_home_with_it(
    template: str, named: bool, told: bool
) -> None:
    storage = {"storage": {"dynamic": {"pvcNameTemplate": template}}}
    values = {"cull": {"enabled": True, "removeNamedServers": True}, "singleuser": storage}
    found = {"hub": {"allow_named_servers": named}, "pods": [{"volume": {"a": 1}}]}
    warnings = [each.warning for each in culling.kept(Evaluation(found, values, values))]
    assert warnings == ([True] if told else [])


def test_servers_do_not_keep_what_is_the_hubs() -> None:
    container = {"name": "notebook", "env": [{"name": "CONFIGPROXY_AUTH_TOKEN", "value": "x"}]}
    pods = [{"pod": {"spec": {"containers": [container]}}}]
    assert "singleuser.extraEnv" in places(servers.confined, {}, pods=pods)
