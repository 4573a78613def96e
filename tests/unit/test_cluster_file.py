"""kind/cluster.yaml: what kind and kubeadm read, before a cluster is there to say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from habari_local.config.render import kind
from habari_local.config.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
YAML_ = YAML(typ="safe")
CLUSTER: dict[str, Any] = YAML_.load((ROOT / "kind" / "cluster.yaml").read_text(encoding="utf-8"))


def patch(kind: str) -> dict[str, Any]:
    patches = [YAML_.load(each) for each in CLUSTER["kubeadmConfigPatches"]]
    (found,) = [each for each in patches if each["kind"] == kind]
    return dict(found)


def test_nothing_is_reachable_from_another_machine() -> None:
    assert CLUSTER["networking"]["apiServerAddress"] == "127.0.0.1"
    ports = [port for node in CLUSTER["nodes"] for port in node["extraPortMappings"]]
    assert {each["listenAddress"] for each in ports} == {"127.0.0.1"}
    assert [each["containerPort"] for each in ports] == [30080, 30008, 30456]


def test_kubeadms_patches_are_mounted_where_it_looks_for_them() -> None:
    (mount,) = CLUSTER["nodes"][0]["extraMounts"]
    assert mount["containerPath"] == patch("InitConfiguration")["patches"]["directory"]
    assert [each.name for each in (ROOT / mount["hostPath"]).iterdir()] == [
        "corednsdeployment.yaml"
    ]


def test_arguments_are_maps_of_strings() -> None:
    """The kubeadm API that kind writes for Kubernetes 1.34 refuses lists; later ones want them."""
    given = patch("ClusterConfiguration")
    for part in ("controllerManager", "scheduler"):
        arguments = given[part]["extraArgs"]
        assert isinstance(arguments, dict)
        assert all(isinstance(each, str) for each in arguments.values())


def test_what_the_tool_writes_keeps_the_mounts_wherever_kind_is_called() -> None:
    text = (ROOT / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    made = kind.cluster(text, ROOT, Settings(), Path("/home/ada/project"), ["hub"], "")
    node = YAML_.load(made)["nodes"][0]
    mounts = {each["containerPath"]: each["hostPath"] for each in node["extraMounts"]}
    assert mounts["/kind/patches"] == str(ROOT / "kind" / "patches")
    assert "/home/ada/project" in mounts.values()
    assert [each["hostPort"] for each in node["extraPortMappings"]] == [8000]


def test_ipv6_is_not_mapped_as_nothing_in_the_node_would_answer_it() -> None:
    """A browser takes 127.0.0.1 for `localhost` where [::1] refuses, not where it cuts off."""
    text = (ROOT / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    made = kind.cluster(text, ROOT, Settings(), Path("/p"), ["hub", "github", "s3"], "")
    ports = YAML_.load(made)["nodes"][0]["extraPortMappings"]
    assert {each["listenAddress"] for each in ports} == {"127.0.0.1"}


def test_more_nodes_share_the_folder_of_volumes() -> None:
    text = (ROOT / "kind" / "cluster.yaml").read_text(encoding="utf-8")
    settings = Settings.model_validate({"nodes": 3})
    made = kind.cluster(text, ROOT, settings, Path("/home/ada/project"), ["hub"], "/volumes")
    nodes = YAML_.load(made)["nodes"]
    assert [each["role"] for each in nodes] == ["control-plane", "worker", "worker"]
    assert ["extraPortMappings" in each for each in nodes] == [True, False, False]
    patches = [YAML_.load(each) for each in YAML_.load(made)["kubeadmConfigPatches"]]
    assert {"kind": "InitConfiguration", "nodeRegistration": {"taints": []}} in patches
    for each in nodes:
        mounts = {mount["containerPath"]: mount["hostPath"] for mount in each["extraMounts"]}
        assert mounts[kind.VOLUMES] == "/volumes"
        assert "/home/ada/project" in mounts.values()


def test_other_secrets_mean_other_pods_of_those_who_read_them() -> None:
    """A pod keeps the environment that it was started with."""

    def annotated(**held: str) -> dict[str, Any]:
        images = {"s3": "s3:1", "github": "github:1"}
        objects = kind.manifests(ROOT / "kind" / "manifests", ["s3", "github"], images)
        names = {"s3": "habari-s3-root", "github": "habari-github"}
        secrets = [
            {"metadata": {"name": names[each]}, "stringData": {"KEY": text}}
            for each, text in held.items()
        ]
        kind.tie_to_secrets(objects, secrets)
        return {
            each["metadata"]["name"]: each["spec"]["template"]["metadata"]["annotations"]
            for each in objects
            if each["kind"] == "Deployment"
        }

    before = annotated(s3="one", github="one")
    assert annotated(s3="one", github="one") == before
    other = annotated(s3="two", github="one")
    assert other["s3"] != before["s3"]
    assert other["github"] == before["github"]
    assert "one" not in str(before)
    assert annotated(s3="one")["s3"] == before["s3"], "one that is not ours may be named too"
