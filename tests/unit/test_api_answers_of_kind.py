"""The verbs of mode kind that ask its cluster, and each wrong answer of that.

The API server is `tests/fake_kubernetes.py`, helm is the real one; the nodes and what Docker does
for them are left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from habari_local import active_mode
from habari_local.backup.manifest import create_backup
from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core import paths
from habari_local.core.errors import FAILED, NOT_READY
from habari_local.core.paths import Checkout, find_checkout
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.kind import Node
from habari_local.drivers.kubernetes import cluster as kubernetes
from habari_local.images import bundled_binaries
from habari_local.modes.kind import create_cluster, extra_manifests, mode, node_images
from habari_local.modes.kind.platform import KindPlatform
from habari_local.platform.mode import UNCHANGED, Step
from tests.checkouts import work_on
from tests.fake_kubernetes import FAULTS, Cluster, Fault
from tests.programs import with_helm
from tests.unit.test_api_answers import BELIEVED, CHART, ROOT, cases, content, named, told

OFFSET = 9_100  # of the ports, where nothing listens
# Verb → what it asks for after its first question, so that each is met there too.
VERBS: dict[str, tuple[list[str], str]] = {
    "up": (["up"], "secrets"),
    "e2e": (["e2e"], "secrets"),
    "status": (["status"], "pods"),
    "why": (["why"], "pods"),
    "why USER": (["why", "grace"], "pods"),
    "logs": (["logs"], "pods"),
    "logs SERVICE": (["logs", "hub", "--since", "5m"], "pods"),
    "restart SERVICE": (["restart", "hub"], "pods"),
    "shell SERVICE": (["shell", "hub", "--", "true"], "pods"),
    "shell USER": (["shell", "grace", "--", "true"], "pods"),
    "backup create": (["backup", "create"], "persistentvolumeclaims"),
    "backup restore": (["backup", "restore", "kept"], "pods"),
}
# `up` labels the namespace each time, which is no change.
LABELS = "PATCH /api/v1/namespaces/habari?"


def left_out(name: str) -> Callable[..., Step]:
    """Return what stands for a step that is Docker's, and has nothing to do."""
    return lambda *_: Step(name, name, lambda _ctx, _say: UNCHANGED)


STEPS = {
    mode: {"images_step": "images", "folders": "folders"},
    create_cluster: {"programs": "tools", "leftovers": "leftovers"},
    extra_manifests: {"files": "values", "manifests": "manifests"},
    node_images: {each: each for each in ("registry", "push", "registries", "pulls")},
}


@pytest.fixture(scope="module")
def api() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.remember(1, "deployed")
    yield cluster
    cluster.close()


def node() -> Node:
    """The one node, with its ports."""
    settings = Settings(port_offset=OFFSET)
    ports = {("127.0.0.1", settings.port(each)) for each in mode.PORTS.values()}
    return Node("1", "node", "node", running=True, mounts=frozenset(), ports=frozenset(ports))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, api: Cluster) -> Iterator[Path]:
    """A checkout in which mode kind is up; nothing here changes it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("config.dist.yaml", "kind", "hub"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        work_on(folder, patch)
        paths.choose(folder)
        patch.chdir(folder)
        patch.setattr(kubernetes, "PAUSES", (0.01,))
        patch.setattr(create_cluster, "REFUSED_SECONDS", 0.0)
        patch.setattr(create_cluster, "START_SECONDS", 1.0)
        patch.setenv("PATH", with_helm()["PATH"])
        patch.setenv("BROWSER", "true")
        settings = {"CHART": CHART, "MODE": "kind", "PORT_OFFSET": OFFSET, "IMAGES": "packages"}
        for name, value in settings.items():
            patch.setenv(f"HABARI_{name}", str(value))
        without_docker(patch)
        bring_up(find_checkout(), api)
        with create_backup(folder / "kept", "kind"):
            pass
        yield folder
    paths.choose(None)


def without_docker(patch: pytest.MonkeyPatch) -> None:
    for module, names in STEPS.items():
        for function, name in names.items():
            patch.setattr(module, function, left_out(name))
    patch.setattr(mode, "require_docker", lambda _: None)
    patch.setattr(docker_client, "reachable", lambda: False)
    patch.setattr(docker_client, "running_modes", lambda _: set())
    patch.setattr(KindPlatform, "nodes", lambda _: [node()])
    patch.setattr(KindPlatform, "registry_containers", lambda _: [])
    # helm is on PATH; that of the image would be found by what is in the checkout.
    patch.setattr(bundled_binaries, "environment", lambda images: dict(images.environ))
    patch.setattr(bundled_binaries, "program", lambda _, name: Path(str(shutil.which(name))))


def bring_up(checkout: Checkout, api: Cluster) -> None:
    """Leave what `up` does."""
    load_secrets(checkout.state)
    _, ctx = active_mode.from_settings("kind", {})
    active_mode.remember(ctx, "kind")
    platform = KindPlatform(ctx)
    api.kubeconfig(platform.kubeconfig, platform.cluster.context)
    (ctx.checkout.of_mode("kind") / "values.yaml").write_text("{}")


@pytest.mark.parametrize(("verb", "fault", "later"), cases(VERBS), ids=named)
def test_an_error_of_kinds_api_server_is_told_and_changes_nothing(
    verb: str,
    fault: Fault,
    later: bool,
    checkout: Path,
    api: Cluster,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault.act == "hang":  # any other answer comes, however busy the machine is
        monkeypatch.setattr(kubernetes, "SECONDS", 0.5)
    arguments, asked = VERBS[verb]
    before, api.asked[:] = content(checkout), []
    api.fault = fault.at(asked if later else "")
    code, said = told(arguments, capsys)
    assert code in (FAILED, NOT_READY), said
    assert fault.status != 403 or "403" in said or "forbidden" in said, said
    assert "Traceback" not in said
    assert "Try: " in said
    assert not [each for each in BELIEVED if each in said.lower()], said
    assert [each for each in api.changes if not each.startswith(LABELS)] == []
    assert content(checkout) == before


@pytest.mark.parametrize("fault", FAULTS, ids=named)
@pytest.mark.parametrize("verb", ["endpoints", "open"])
def test_what_needs_no_cluster_works_whatever_it_answers(
    verb: str,
    fault: Fault,
    checkout: Path,
    api: Cluster,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api.fault = fault
    code, said = told([verb], capsys)
    assert code == 0, said
    assert f":{OFFSET + 8000}" in said
