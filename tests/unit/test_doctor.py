"""What `doctor` says: a verdict for each mode, rows that fit, a remedy for this very machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from habari_local import modes
from habari_local.cli import app
from habari_local.core import paths
from habari_local.core.console import Result, render
from habari_local.core.paths import Checkout
from habari_local.diagnosis.requirements import PYTHON, Finding, Requirement, always
from habari_local.drivers import package_manager
from habari_local.drivers.package_manager import CHROMIUM, COMPOSE, DOCKER, install

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH but what a test puts into the folder returned, and uv."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    monkeypatch.setenv("PATH", str(bin_))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HABARI_IMAGES", "HABARI_MODE", "HABARI_CHART", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "find_checkout", lambda: Checkout(tmp_path))
    return bin_


def program(folder: Path, name: str, says: str = "") -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho {says}\n")
    file.chmod(0o755)


def doctor(*arguments: str) -> Result:
    ran = CliRunner().invoke(app, ["doctor", *arguments], standalone_mode=False)
    assert ran.exception is None, ran.exception
    result: Any = ran.return_value
    assert isinstance(result, Result)
    return result


def verdicts(result: Result) -> dict[str, list[str]]:
    return {each["mode"]: each["problems"] for each in result.data["modes"]}


def test_each_mode_has_a_verdict_and_the_default_one_decides(machine: Path) -> None:
    program(machine, "kubectl", "Client Version: v1.32.4")
    program(machine, "kind", "kind v0.33.0")
    program(machine, "helm", "v3.22.0")
    result = doctor()
    found = verdicts(result)
    assert found["process"] == []
    assert "kubectl too old" in found["kind"]
    assert not {"kind missing", "helm missing"} & set(found["kind"])
    assert "docker missing" in found["hub"]
    assert result.code == 0, "process mode is the default, and can run"
    assert doctor("--mode", "kind").code == 3


def test_the_settings_of_dotenv_are_respected(machine: Path, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("HABARI_MODE=kind\n")
    assert doctor().code == 3, "the default mode is another one, which can't run"
    assert "kind missing" in verdicts(doctor())["kind"]
    dotenv.write_text("HABARI_IMAGES=packages\nHABARI_KUBE_CONTEXT=theirs\n")
    assert "kind missing" not in verdicts(doctor())["kind"], "it comes out of an image"
    assert "context not named" not in verdicts(doctor())["cluster"]
    assert machine.is_dir()


def test_variables_that_nothing_reads_are_a_row_and_no_failure(
    machine: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("GITHUB_CLIENT_ID=x\n")
    result = doctor()
    row = next(each for each in result.data["checks"] if each["name"] == ".env")
    assert row["state"] == "unused"
    assert "GITHUB_CLIENT_ID" in row["details"][0]
    assert not any(".env" in problems for problems in verdicts(result).values())


def test_settings_that_cant_be_used_are_a_row(machine: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HABARI_NODES=many\nHABARI_NO_SUCH=1\n")
    result = doctor()
    assert result.code == 3
    assert all("settings wrong" in problems for problems in verdicts(result).values())
    row = result.data["checks"][0]
    assert (row["name"], row["state"]) == ("settings", "wrong")
    assert len(row["details"]) == 2
    assert machine.is_dir()


@pytest.mark.parametrize("mode", ["", "process", "kind"])
def test_every_row_is_one_line_of_80_columns(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    program(machine, "kubectl", "Client Version: v1.32.4")
    result = doctor(*(["--mode", mode] if mode else []))
    render(result)
    drawn = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    table = drawn.partition("To fix")[0].splitlines()
    begin = next(n for n, line in enumerate(table) if "requirement" in line)
    assert max(map(len, table[begin:])) <= 80, table[begin:]
    names = {line.strip().partition("  ")[0] for line in table[begin + 2 :] if line.strip()}
    assert names == {row["name"] for row in result.data["checks"]}, "no row takes two lines"


@pytest.mark.parametrize(
    ("there", "release", "command"),
    [
        (["apt-get"], "ID=debian\nVERSION_CODENAME=trixie\n", "apt-get install docker-compose"),
        (["apt-get"], "ID=ubuntu\n", "apt-get install docker-compose-v2"),
        (["apt-get"], "ID=debian\nVERSION_CODENAME=bookworm\n", DOCKER.otherwise),
        (["dnf"], "ID=fedora\n", "dnf install docker-compose"),
        (["brew"], "", "brew install docker-compose"),
        ([], "ID=arch\n", DOCKER.otherwise),
    ],
    ids=["Debian", "Ubuntu", "Debian 12", "Fedora", "Homebrew", "none of them"],
)
def test_a_remedy_is_for_what_the_machine_has(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: list[str],
    release: str,
    command: str,
) -> None:
    for each in there:
        program(tmp_path, each)
    file = tmp_path / "os-release"
    file.write_text(release)
    monkeypatch.setattr(package_manager, "RELEASE", file)
    assert install(COMPOSE, {"PATH": str(tmp_path)}) == command, "no sudo where there is none"
    program(tmp_path, "sudo")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    asked = install(CHROMIUM, {"PATH": str(tmp_path)})
    assert asked.startswith("sudo ") == (there in (["apt-get"], ["dnf"]))


@pytest.mark.parametrize("name", ["kind", "helm", "kubectl"])
def test_programs_for_kubernetes_are_got_by_a_command(tmp_path: Path, name: str) -> None:
    here = {"PATH": str(tmp_path)}
    assert package_manager.install_cluster_tool(name, here).startswith("curl ")
    assert package_manager.VERSIONS[name] in package_manager.install_cluster_tool(name, here)
    program(tmp_path, "brew")
    assert package_manager.install_cluster_tool(name, here).startswith("brew install ")


def test_their_versions_are_those_that_our_image_is_made_of() -> None:
    text = (ROOT / "images" / "kubernetes" / "make-part").read_text(encoding="utf-8")
    made = dict(re.findall(r"^(KUBERNETES|KIND|HELM|SOPS)=(\S+)$", text, re.MULTILINE))
    named = package_manager.VERSIONS
    assert made == {
        "KUBERNETES": named["kubectl"],
        "KIND": named["kind"],
        "HELM": named["helm"],
        "SOPS": named["sops"],
    }


def test_a_check_that_fails_itself_is_a_row_among_the_others(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(_: object) -> Finding:
        raise KeyError("DockerRootDir")

    odd = Requirement("room", "some", always("df -h"), strange)
    monkeypatch.setattr(modes.get("hub"), "requirements", lambda: (PYTHON, odd), raising=False)
    rows = {row["name"]: row for row in doctor("--mode", "hub").data["checks"]}
    assert rows["Python"]["state"] == "ok"
    assert (rows["room"]["state"], rows["room"]["fix"]) == ("broken", "df -h")
    assert "DockerRootDir" in rows["room"]["details"][0]
    assert machine.is_dir()
