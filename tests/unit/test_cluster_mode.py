"""Mode cluster before anything is asked: which cluster is meant, and what a plan says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from habari_local.cli import app
from habari_local.commands.options import confirm
from habari_local.core.errors import HabariError
from habari_local.drivers.kubernetes import kubeconfig
from habari_local.helm_values.upgrade_plan import as_data, as_lines, plan_upgrade
from habari_local.modes.cluster.platform import allowed_users, public_url
from habari_local.platform.mode import Plan


def config(path: Path, *contexts: str, cluster: str = "c", user: str = "u") -> Path:
    about = {"cluster": cluster, "user": user}
    found = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": name, "context": about} for name in contexts],
        "current-context": contexts[0] if contexts else "",
    }
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def refused(environ: Mapping[str, str], context: str) -> HabariError:
    with pytest.raises(HabariError) as told:
        kubeconfig.find(environ, context)
    return told.value


def test_a_context_is_found_in_the_file_that_has_it(tmp_path: Path) -> None:
    one, two = config(tmp_path / "one", "production"), config(tmp_path / "two", "trial")
    environ = {"KUBECONFIG": f"{one}:{two}:{tmp_path}/none"}
    assert kubeconfig.find(environ, "trial") == two
    home = tmp_path / ".kube"
    home.mkdir()
    config(home / "config", "a")
    assert kubeconfig.find({"HOME": str(tmp_path)}, "a") == home / "config"


def test_the_current_context_is_never_taken(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(config(tmp_path / "one", "production", "trial"))}
    told = refused(environ, "")
    assert "none was named, one of production, trial" in told.message
    assert told.code == 2


def test_a_context_that_is_missing_or_ambiguous_is_refused(tmp_path: Path) -> None:
    one, two = config(tmp_path / "one", "a", "b"), config(tmp_path / "two", "b")
    environ = {"KUBECONFIG": f"{one}:{two}"}
    assert "Context c: not known, one of a, b was expected" in refused(environ, "c").message
    assert f"in {one} and {two}, one file was expected" in refused(environ, "b").message
    assert "the kubeconfig has none" in refused({"HOME": str(tmp_path)}, "a").message


def test_a_context_without_its_parts_is_refused(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(config(tmp_path / "one", "a", user="nobody"))}
    assert "its user nobody is not in" in refused(environ, "a").message
    broken = tmp_path / "broken"
    broken.write_text("contexts: [\t")
    assert "no kubeconfig" in refused({"KUBECONFIG": str(broken)}, "a").message


class Sketch:
    """A cluster that has some objects, and takes what it is given as it is."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = {each["kind"]: each for each in objects}

    def live(self, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        return self.objects.get(manifest["kind"])

    def tried(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        there = self.objects[manifest["kind"]]
        if manifest.get("refused"):
            raise HabariError("no", "no")
        return {**there, **{k: v for k, v in manifest.items() if k != "metadata"}}


def made(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "hub", "resourceVersion": "1"}, **more}


def text(*objects: dict[str, Any]) -> str:
    return "\n---\n".join(json.dumps(each) for each in objects)


def deployment(image: str, **more: Any) -> dict[str, Any]:
    containers = [{"name": "hub", "image": image}]
    return made("Deployment", spec={"template": {"spec": {"containers": containers}}, **more})


def test_a_plan_names_what_is_added_removed_changed_and_replaced() -> None:
    old = text(deployment("a", paused=False), made("Role"), made("Service"))
    new = text(deployment("b"), made("Service"), made("Secret", data={"token": "c2VjcmV0"}))
    there = Sketch(deployment("a", paused=False), made("Role"), made("Service", status={"a": 1}))
    found = plan_upgrade(old, new, there)
    assert (found.added, found.removed, found.same) == (("Secret/hub",), ("Role/hub",), 1)
    assert found.restarted == ("Deployment/hub",)
    assert [each["place"] for each in as_data(found)["changed"]] == [
        "spec.paused",
        "spec.template.spec.containers.hub.image",
    ]
    said = "\n".join(as_lines(found))
    assert '"a" → "b"' in said
    assert "1 added, 1 removed, 1 changed, 1 the same. Pods are replaced: Deployment/hub." in said


def test_a_plan_counts_what_was_changed_by_hand_and_hides_secrets() -> None:
    manifest = text(made("Secret", data={"token": "c2VjcmV0"}))
    found = plan_upgrade(manifest, manifest, Sketch(made("Secret", data={"token": "b3RoZXI="})))
    assert [thing for thing, _ in found.changed] == ["Secret/hub"]
    assert "c2VjcmV0" not in str(as_data(found)) + "".join(as_lines(found))
    assert not plan_upgrade(manifest, manifest, Sketch(json.loads(manifest))).anything


def test_where_the_cluster_does_not_take_both_the_manifests_are_compared() -> None:
    old, new = made("Service", spec={"port": 1}), made("Service", spec={"port": 2}, refused=True)
    found = plan_upgrade(text(old), text(new), Sketch(old))
    assert {each["place"] for each in as_data(found)["changed"]} >= {"spec.port"}


def test_a_text_at_the_end_of_a_manifest_keeps_its_last_line_end() -> None:
    manifest = "kind: ConfigMap\nmetadata: {name: hub}\ndata:\n  file: |\n    line\n"
    there = made("ConfigMap", data={"file": "line\n"})
    for joined in (manifest, f"---\n{manifest}---\nkind: Role\nmetadata: {{name: hub}}\n"):
        assert plan_upgrade(joined, joined, Sketch(there, made("Role"))).changed == ()


def test_what_a_chart_keeps_is_not_removed() -> None:
    kept = made("PersistentVolumeClaim")
    kept["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    assert plan_upgrade(text(kept), "", Sketch(kept)).removed == ()


@pytest.mark.parametrize("meant", [None, "", "other", "HABARI"])
def test_who_does_not_name_the_place_loses_nothing(meant: str | None) -> None:
    at_stake = Plan("habari", (), {}, lost=("the hub's database",))
    with pytest.raises(HabariError) as told:
        confirm(at_stake, meant, "habari-local down")
    assert told.value.code == 2
    assert told.value.hint == "habari-local down --confirm habari"
    confirm(at_stake, "habari", "")
    confirm(Plan("habari", (), {}), meant, "")


def test_a_context_goes_with_mode_cluster_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["down", "--context", "a"], ["status", "--mode", "kind", "--namespace", "b"]):
        with pytest.raises(HabariError, match="work in mode cluster only"):
            app(words, standalone_mode=False)
    with pytest.raises(HabariError, match="--plan works in mode cluster only"):
        app(["up", "--mode", "process", "--plan"], standalone_mode=False)


def test_a_deployment_tells_its_address_and_its_people() -> None:
    hub = {"config": {"GitHubOAuthenticator": {"admin_users": ["Ada"], "allowed_users": ["linus"]}}}
    values: dict[str, Any] = {"hub": hub, "ingress": {"hosts": ["habari.example.org"]}}
    assert public_url(values) == "https://habari.example.org"
    callback = "https://other.example.org/base/hub/oauth_callback"
    hub["config"]["GitHubOAuthenticator"]["oauth_callback_url"] = callback  # type: ignore[assignment]
    assert public_url(values) == "https://other.example.org/base"
    assert allowed_users(values) == ["ada", "linus"]
    assert public_url({}) == ""


def test_opened_secrets_that_a_killed_call_left_are_deleted_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}\n")
    code = """
import os, signal, sys
from pathlib import Path
from habari_local.config.load import environment
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.platform.mode import Context
from habari_local.modes.cluster import values_files
from habari_local.modes.cluster.platform import ClusterPlatform
from habari_local.core.paths import Checkout
settings = Settings.model_validate({"values_from": ["hub.secret=SOME_SECRET"]})
given = {**environment(), "SOME_SECRET": "canary"}
ctx = Context(Checkout(Path(sys.argv[1])), settings, Secrets(), given)
with values_files.opened(ClusterPlatform(ctx)):
    if len(sys.argv) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""

    def call(*more: str) -> int:
        argv = [sys.executable, "-c", code, str(tmp_path), *more]
        return subprocess.run(argv, check=False).returncode

    def kept() -> list[str]:
        files = [path for path in (tmp_path / ".habari").rglob("*") if path.is_file()]
        return [path.name for path in files if "canary" in path.read_text()]

    assert call("killed") == -9
    assert kept() == ["environment.yaml"]
    assert call() == 0
    assert kept() == []
