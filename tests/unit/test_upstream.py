"""What is recorded of upstream's images is about those that are pulled."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers import kind, package_manager
from habari_local.drivers.docker import images as docker_images
from habari_local.helm_values.chart import VERSION
from habari_local.images import space
from habari_local.images.build import Images
from habari_local.images.catalogue import load
from habari_local.images.upstream import chart_images

ROOT = Path(__file__).resolve().parents[2]
RECORDED = tomllib.loads((ROOT / "images" / "upstream.toml").read_text(encoding="utf-8"))


def test_every_upstream_reference_is_recorded_and_no_other() -> None:
    images = load("upstream")
    foreign = {
        image.name: image.pull or image.base
        for image in images.values()
        if image.pull or (image.base and image.base not in images)
    }
    recorded = {name: each["reference"] for name, each in RECORDED.items()}
    assert {n: r for n, r in recorded.items() if not n.startswith("chart-")} == foreign


def test_the_node_goes_with_the_kind_that_is_pinned() -> None:
    """Whoever takes another kind reads its release notes for the node's digest."""
    assert package_manager.VERSIONS["kind"] == f"v{RECORDED['node']['kind']}"


def images(tmp_path: Path, **settings: Any) -> Images:
    return Images(Checkout(ROOT), Settings(**settings), {"XDG_CACHE_HOME": str(tmp_path)})


def test_the_charts_images_are_listed_as_recorded_until_the_chart_is_here(tmp_path: Path) -> None:
    known = images(tmp_path).catalogue
    assert known["chart-hub"].pull == f"quay.io/jupyterhub/k8s-hub:{VERSION}"
    assert known["chart-proxy"].pull == RECORDED["chart-proxy"]["reference"]
    assert "chart-hub" not in images(tmp_path, images="packages").catalogue
    mirrored = images(tmp_path, image_mirror="mirror.example/cache")
    assert mirrored.reference("chart-hub").startswith("mirror.example/cache/quay.io/")


def test_the_charts_images_are_those_of_the_chart_that_the_settings_name(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: jupyterhub\nversion: 4.5.0\n")
    values = "hub: {image: {name: example.org/hub, tag: '7'}}\nproxy: {chp: {image: {tag: '8'}}}\n"
    (tmp_path / "values.yaml").write_text(values)
    hub, proxy = chart_images(Settings(chart=str(tmp_path)), ROOT, {})
    assert hub.pull == "example.org/hub:7"
    assert proxy.pull == RECORDED["chart-proxy"]["reference"], "its name is not said"


def test_what_no_mode_runs_with_these_settings_is_not_built(tmp_path: Path) -> None:
    upstream = images(tmp_path).used()
    assert not {"tools", "kubernetes"} & set(upstream), "kind's programs are the machine's own"
    assert {"s3-moto", "s3-localstack", "node", "chart-hub"} <= set(upstream)
    assert "s3-localstack" not in images(tmp_path, s3_backend="moto").used()
    assert set(images(tmp_path, images="packages").used()) == set(load("packages"))


def test_room_is_asked_for_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: set[str] = set()
    stored = docker_images.LocalImage("id", (), 1)
    monkeypatch.setattr(docker_images, "find", lambda name: stored if name in there else None)
    monkeypatch.setattr(kind, "find_nodes", lambda _: [])
    known = images(tmp_path, s3_backend="moto")
    sizes = {name: each.limit_mb * 1_000_000 for name, each in known.catalogue.items()}
    names = ("notebook", "hub", "proxy", "socket", "github", "postgres", "s3-moto")
    hub = space.needed_bytes(known, "hub", "localstack")
    assert hub == sum(sizes[name] for name in names) + space.SERVERS_OWN
    cluster = space.needed_bytes(known, "kind", "localstack")
    assert cluster > hub + sizes["notebook"], "each node has a copy"
    there |= {known.reference(name) for name in names}
    assert space.needed_bytes(known, "hub", "localstack") == 0
    monkeypatch.setattr(kind, "find_nodes", lambda _: [object()])
    assert space.needed_bytes(known, "kind", "localstack") < 3e9, "node and registry alone"


def matched(manager: dict[str, Any], text: str) -> list[dict[str, str]]:
    patterns = [re.sub(r"\(\?<(?=\w)", "(?P<", each) for each in manager["matchStrings"]]
    return [found.groupdict() for each in patterns for found in re.finditer(each, text)]


def test_renovate_finds_every_reference_wherever_it_stands() -> None:
    config = json.loads((ROOT / ".github" / "renovate.json").read_text(encoding="utf-8"))
    images_of, kind_of = config["customManagers"]
    read = {
        path: (ROOT / path).read_text(encoding="utf-8")
        for path in ("images/upstream.toml", "habari_local/versions.toml")
    }
    expected = {r["reference"] for r in RECORDED.values() if "@" in r["reference"]}
    for path, text in read.items():
        found = matched(images_of, text)
        named = {f"{f['depName']}:{f['currentValue']}@{f['currentDigest']}" for f in found}
        assert named == expected, path
    (base,) = matched(images_of, (ROOT / "jupyter" / "Dockerfile").read_text(encoding="utf-8"))
    assert base["depName"] == "quay.io/jupyter/datascience-notebook"
    for path in (
        "images/upstream.toml",
        "habari_local/versions.toml",
        "images/kubernetes/make-part",
    ):
        (version,) = matched(kind_of, (ROOT / path).read_text(encoding="utf-8"))
        assert version["currentValue"] == RECORDED["node"]["kind"]


def test_workflows_take_uv_by_its_hash_and_actions_by_their_commit() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text(encoding="utf-8")
        for line in re.findall(r"pip install (.*)", text):
            assert line.startswith("--quiet --require-hashes"), workflow.name
        for action in re.findall(r"uses: (?!\./)(\S+)", text):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), workflow.name
