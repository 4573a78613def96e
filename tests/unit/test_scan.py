"""The scan before a release: its lists are whole and valid, and it sees what it is there to see."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scan import locks, sbom, secrets


def test_every_lock_of_what_is_shipped_is_known() -> None:
    listed = {lock for each in locks.SHIPPED.values() for lock in each}
    found = {
        str(path.relative_to(locks.ROOT))
        for folder in ("hub", "jupyter", "images")
        for name in ("requirements*.txt", "package-lock.json")
        for path in (locks.ROOT / folder).rglob(name)
        if "test" not in path.name and "node_modules" not in path.parts
    }
    assert found | {"uv.lock"} == listed


def test_the_lists_are_whole_valid_and_the_same_each_time(tmp_path: Path) -> None:
    files = sbom.written(tmp_path / "first")
    assert [file.name for file in files] == [f"habari-{each}.cdx.json" for each in locks.SHIPPED]
    for file, again in zip(files, sbom.written(tmp_path / "second"), strict=True):
        assert again.read_text(encoding="utf-8") == file.read_text(encoding="utf-8")
    hub = json.loads(files[1].read_text(encoding="utf-8"))
    assert "jupyterhub" in {each["name"] for each in hub["components"]}
    proxy = files[3].read_text(encoding="utf-8")
    assert "configurable-http-proxy" in {each["name"] for each in json.loads(proxy)["components"]}
    # The one from both registries; to validate takes seconds a file.
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(proxy) is None


def test_a_requirement_without_a_hash_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.txt").write_text("boto3==1.0\n")
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"boto3==1\.0: one version and its hashes"):
        locks.packages("requirements.txt")


@pytest.mark.skipif(not secrets.there(), reason=f"no gitleaks here: {secrets.HOW}")
def test_a_secret_that_was_committed_and_taken_away_again_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        own = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *own, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    file = tmp_path / "settings.py"
    file.write_text("REGION = 'eu-west-1'\n")
    git("add", ".")
    git("commit", "--message=one")
    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    assert secrets.clean()
    file.write_text("KEY = 'AKIA" + "Q3EGRZ7LWT4XVB2N'\n")
    git("commit", "--all", "--message=two")
    file.write_text("KEY = None\n")
    git("commit", "--all", "--message=three")
    assert not secrets.clean()
