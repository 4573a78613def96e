"""An upgrade and the way back are rehearsed, and what is not as it was is found."""

from __future__ import annotations

import json
import subprocess

import pytest

from habari_local.drills.user_state import compare
from tests.scratch import Scratch, must_be_able_to_run


def test_what_differs_or_is_gone_is_found() -> None:
    before = {"ada": {"server": "since 1", "account": "admin"}, "grace": {"server": "since 2"}}
    same = compare(before, before)
    assert len(same) == 3
    assert all(each.good for each in same)
    after = {"ada": {"server": "since 3", "account": "admin", "more": "new"}}
    bad = [each for each in compare(before, after) if not each.good]
    assert [(each.owner, each.after) for each in bad] == [("ada", "since 3"), ("grace", "gone")]


@pytest.mark.timeout(300)
def test_an_upgrade_and_the_way_back_keep_everything(scratch: Scratch) -> None:
    """From a commit to a changed working tree, in the mode that every machine has."""
    must_be_able_to_run("process")

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], cwd=scratch.root, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    (scratch.root / ".gitignore").write_text(".habari/\nproject/\n__pycache__/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "what is out")
    hub = scratch.root / "hub" / "jupyterhub_config.py"
    hub.write_text(hub.read_text(encoding="utf-8") + "\nc.JupyterHub.log_level = 20\n")
    done = scratch.call("drill", "upgrade", "--from", "main", "--mode", "process", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["good"]
    things = {each["what"] for each in told["compared"]}
    assert {"server", "account", "notebook in home", "checkpoint in lake"} <= things
    servers = [each for each in told["compared"] if each["what"] == "server"]
    assert all(each["before"].startswith("since ") for each in servers)
    assert len(servers) == 6, "three people, after the upgrade and after the way back"
    assert not (scratch.state / "drill-upgrade").exists()
    unknown = scratch.call("drill", "upgrade", "--from", "nothing", "--mode", "process")
    assert unknown.returncode == 1
    assert "nothing" in unknown.stderr
