"""action.yml: its shell steps are run here as a runner runs them; and the devcontainer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from habari_local.config.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {each["name"]: each for each in ACTION["runs"]["steps"]}
# Stands in the place of uv, and runs what it would run with the environment of these tests.
UV = """#!/bin/sh
while [ "$1" != habari-local ] && [ "$1" != pytest ]; do shift; done
program=$1; shift
if [ "$program" = habari-local ]; then program=habari_local; fi
exec {python} -m "$program" "$@"
"""
ONLY_VALUES = """[[check]]
name = "production's values"
command = ["config", "check", "--no-evaluate"]
paths = ["config.yaml"]
needs = "config.yaml"
"""


@dataclass
class Runner:
    """A runner's folders, and the inputs that the action is used with."""

    folder: Path
    inputs: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return Path(self.outputs["root"])

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def filled(self, text: str) -> str:
        """Fill in what the runner fills in: no other expression stands in a shell step."""
        given = {f"inputs.{name}": value for name, value in self.inputs.items()}
        given |= {f"steps.checkout.outputs.{name}": v for name, v in self.outputs.items()}
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: given[found[1]], text)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        output, summary = self.folder / "output", self.folder / "summary.md"
        output.write_text("")
        own = {key: self.filled(value) for key, value in step.get("env", {}).items()}
        environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "GITHUB_ACTION_PATH": str(self.folder / "action"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "PYTHONPATH": str(self.root) if self.outputs else "",
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.filled(step.get("working-directory", str(self.workspace))),
            env={**environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        pairs = (line.partition("=") for line in output.read_text().splitlines())
        self.outputs |= {name: value for name, _, value in pairs}
        return done


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner that has the action, as an archive of this repository, and a workspace."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            target = tmp_path / "action" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    checks = tmp_path / "action" / "habari_local" / "gate" / "checks.toml"
    checks.write_text(ONLY_VALUES, encoding="utf-8")
    (tmp_path / "temp").mkdir()
    (tmp_path / "workspace").mkdir()
    inputs = {name: each.get("default", "") for name, each in ACTION["inputs"].items()}
    return Runner(tmp_path, inputs)


def with_checkout(runner: Runner) -> None:
    done = runner.run("a checkout of Habari with your values in it")
    assert done.returncode == 0, done.stderr
    tools = runner.root / ".tools" / "bin"
    tools.mkdir(parents=True)
    (tools / "uv").write_text(UV.format(python=sys.executable), encoding="utf-8")
    (tools / "uv").chmod(0o755)


def test_the_gate_judges_the_values_of_another_repository(runner: Runner) -> None:
    values = (ROOT / "config.dist.yaml").read_text(encoding="utf-8")
    (runner.workspace / "production").mkdir()
    (runner.workspace / "production" / "habari.yaml").write_text(values, encoding="utf-8")
    runner.inputs["values"] = "production/habari.yaml"
    with_checkout(runner)
    assert (runner.root / "config.yaml").stat().st_mode & 0o777 == 0o600
    done = runner.run("checks")
    assert done.returncode == 1, "its placeholders are still in it"
    found = json.loads((runner.root / ".habari/report/gate.json").read_text())
    assert found["verdict"] == "no-go"
    assert found["changed"] == ["config.yaml"]
    told = runner.run("summary")
    assert told.returncode == 0, told.stderr
    assert "::error title=production's values::" in told.stderr
    assert "no-go" in (runner.folder / "summary.md").read_text()


def test_values_that_are_not_there_are_named(runner: Runner) -> None:
    runner.inputs["values"] = "missing.yaml"
    done = runner.run("a checkout of Habari with your values in it")
    assert done.returncode == 2
    assert done.stdout.startswith("::error::missing.yaml: not in this repository. Try: ")


def test_own_tests_are_run_and_a_failure_is_an_annotation(runner: Runner) -> None:
    tests = runner.workspace / "tests of mine"
    tests.mkdir()
    (tests / "test_mine.py").write_text(
        "def test_good(): pass\ndef test_bad(): assert 1 == 2, '<b> 100%'\n", encoding="utf-8"
    )
    runner.inputs |= {"tests": "tests of mine", "mode": "process"}
    with_checkout(runner)
    done = runner.run("checks")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    told = runner.run("summary")
    assert "test_bad::" in told.stderr
    assert "100%25" in told.stderr
    summary = (runner.folder / "summary.md").read_text()
    assert "1 passed, 1 failed, 0 skipped" in summary


def test_a_run_that_came_to_nothing_says_so(runner: Runner) -> None:
    with_checkout(runner)
    assert runner.run("summary").returncode == 0
    assert "nothing was run to its end" in (runner.folder / "summary.md").read_text()


def test_no_input_is_pasted_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", ""), step["name"]


def test_the_devcontainer_comes_up_as_the_readme_says_with_the_ports_that_a_browser_needs() -> None:
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```sh\n{described['postStartCommand']}\n```" in readme
    settings = Settings()
    assert described["forwardPorts"] == [settings.hub_port, settings.github_port]
