"""Each verb that asks a cluster, and each wrong answer: a sentence, an exit code, nothing believed.

The cluster is `tests/fake_kubernetes.py`; helm is the real one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from habari_local.backup.manifest import create_backup
from habari_local.cli import main
from habari_local.core import paths
from habari_local.core.errors import FAILED, NOT_READY
from habari_local.drivers.kubernetes import cluster as kubernetes
from tests.checkouts import work_on
from tests.fake_kubernetes import FAULTS, Cluster, Fault
from tests.programs import with_helm
from tests.unit.test_config_check import ANSWERS
from tests.unit.test_tenants import ANSWERS as OF_TENANT

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "tests" / "fixtures" / "chart"
AT = ("--mode", "cluster", "--context", "trial")
TENANT = ("blue", "--context", "trial")
# Verb → what it asks for after its first question, so that each is met there too.
VERBS: dict[str, tuple[list[str], str]] = {
    "up": (["up", *AT, "--yes"], "secrets"),
    "up --plan": (["up", *AT, "--plan"], "secrets"),
    "down": (["down", *AT, "--confirm", "habari"], "pods"),
    "status": (["status", *AT], "pods"),
    "endpoints": (["endpoints", *AT], "secrets"),
    "why USER": (["why", "grace", *AT], "secrets"),
    "logs": (["logs", *AT], "pods"),
    "why": (["why", *AT], "secrets"),
    "backup create": (["backup", "create", *AT], "persistentvolumeclaims"),
    "backup restore": (["backup", "restore", "kept", *AT, "--confirm", "habari"], "pods"),
    "e2e": (["e2e", *AT], "secrets"),
    "tenant up": (["tenant", "up", *TENANT], "secrets"),
    "tenant diff": (["tenant", "diff", *TENANT], "secrets"),
    "tenant down": (["tenant", "down", *TENANT, "--confirm", "habari-blue"], "secrets"),
    "tenant check": (["tenant", "check", *TENANT], "secrets"),
}


# What nobody may read out of an error.
def answers(given: dict[str, str]) -> list[str]:
    return [word for name, text in given.items() for word in ("--answer", f"{name}={text}")]


def backup_in(folder: Path) -> None:
    """Make a backup that holds nothing but itself."""
    with create_backup(folder, "cluster"):
        pass


BELIEVED = ("not there yet", "is down", "nothing to", "nothing was running", "no homes", "0 homes")


@pytest.fixture(scope="module")
def api() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.remember(1, "deployed")
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, api: Cluster) -> Iterator[Path]:
    """A checkout with production's values; nothing here changes it."""
    folder = tmp_path_factory.mktemp("checkout")
    kubeconfig = api.kubeconfig(tmp_path_factory.mktemp("kube") / "config", "trial")
    shutil.copyfile(ROOT / "config.dist.yaml", folder / "config.dist.yaml")
    with pytest.MonkeyPatch.context() as patch:
        work_on(folder, patch)
        paths.choose(folder)
        patch.chdir(folder)
        patch.setattr(kubernetes, "PAUSES", (0.01,))
        patch.setenv("PATH", with_helm()["PATH"])
        patch.setenv("HABARI_CHART", str(CHART))
        patch.setenv("KUBECONFIG", str(kubeconfig))
        with pytest.raises(SystemExit):
            main(["config", "init", "--production", *answers(ANSWERS)])
        with pytest.raises(SystemExit):
            main(["tenant", "add", "blue", *answers(OF_TENANT)])
        backup_in(folder / "kept")
        yield folder
    paths.choose(None)


def content(folder: Path) -> dict[str, bytes]:
    """What is in it, but for the tool's own lock and the like."""
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    own = folder / ".habari"
    return {
        str(each): each.read_bytes()
        for each in files
        if not each.is_relative_to(own) or each.is_relative_to(own / "backups")
    }


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a call and all that it said."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out + err


# All at the first question, and of each kind one at what is asked for later.
LATER = ("403 not allowed", "503 unavailable", "200 page of a captive portal")


def cases(verbs: Iterable[str]) -> list[tuple[str, Fault, bool]]:
    return [
        *((verb, fault, False) for verb in verbs for fault in FAULTS),
        *((verb, fault, True) for verb in verbs for fault in FAULTS if fault.name in LATER),
    ]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Fault) else "later" if value is True else None


@pytest.mark.parametrize(("verb", "fault", "later"), cases(VERBS), ids=named)
def test_an_error_of_the_api_server_is_told_and_changes_nothing(
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
    assert "Traceback" not in said
    assert "Try: " in said
    assert not [each for each in BELIEVED if each in said.lower()], said
    assert api.changes == []
    assert content(checkout) == before
