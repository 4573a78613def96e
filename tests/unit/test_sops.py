"""Encrypted values: what only keyholders read, what nobody changes unseen, and sops itself."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from habari_local.cli import main
from habari_local.config import age, sops
from habari_local.core.errors import HabariError

VALUES: dict[str, Any] = {
    "hub": {"config": {"GitHubOAuthenticator": {"client_secret": "s3cr3t", "n": 7, "on": True}}},
    "list": [{"password": "a"}, "b", ""],
    "ratio": 0.25,
    "nothing": None,
    "plain_unencrypted": "seen",
}
SET = ("config", "secret", "set", "hub.config.GitHubOAuthenticator.client_secret")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SOPS_AGE_KEY_FILE": str(tmp_path / "keys" / "keys.txt")}


@pytest.fixture
def closed(environ: dict[str, str]) -> dict[str, Any]:
    return sops.encrypted(VALUES, [age.own(environ)[0]])


def test_what_was_encrypted_comes_back(closed: dict[str, Any], environ: dict[str, str]) -> None:
    text = json.dumps(closed)
    assert "s3cr3t" not in text
    assert closed["plain_unencrypted"] == "seen"
    assert sops.is_encrypted(closed)
    assert sops.decrypted(closed, environ, "file") == VALUES


def test_our_key_is_ours_alone(environ: dict[str, str]) -> None:
    public, made = age.own(environ)
    assert made
    assert public.startswith("age1")
    assert age.own(environ) == (public, False)
    path = age.key_file(environ)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def moved(data: dict[str, Any]) -> None:
    data["list"][1] = data["hub"]["config"]["GitHubOAuthenticator"]["client_secret"]


def taken_away(data: dict[str, Any]) -> None:
    del data["ratio"]


def in_plain_text(data: dict[str, Any]) -> None:
    data["list"][1] = "mine"


def plain_one_changed(data: dict[str, Any]) -> None:
    data["plain_unencrypted"] = "other"


@pytest.mark.parametrize("change", [moved, taken_away, in_plain_text, plain_one_changed])
def test_a_change_that_sops_did_not_make_is_seen(
    change: Callable[[dict[str, Any]], None], closed: dict[str, Any], environ: dict[str, str]
) -> None:
    change(closed)
    with pytest.raises(HabariError, match="as sops made it was expected") as told:
        sops.decrypted(closed, environ, "file")
    assert "s3cr3t" not in told.value.message


def test_another_key_opens_nothing(closed: dict[str, Any], tmp_path: Path) -> None:
    other = {"SOPS_AGE_KEY_FILE": str(tmp_path / "other")}
    with pytest.raises(HabariError, match="Age key: none in SOPS_AGE_KEY or"):
        sops.decrypted(closed, other, "file")
    age.own(other)
    with pytest.raises(HabariError, match="none of our 1 age keys opens them"):
        sops.decrypted(closed, other, "file")
    with pytest.raises(HabariError, match="no public key of age"):
        sops.encrypted(VALUES, ["age1nonsense"])


def call(*words: str, given: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_secrets_are_set_one_after_the_other_and_never_shown(
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = ("--file", str(tmp_path / "secrets.yaml"))
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", environ["SOPS_AGE_KEY_FILE"])
    assert call(*SET, *file, given="s3cr3t\n", monkeypatch=monkeypatch) == 0
    assert call(*SET[:3], "a.b", *file, given="other", monkeypatch=monkeypatch) == 0
    assert call(*SET[:3], "a.b.c", *file, given="x", monkeypatch=monkeypatch) == 2
    assert call("config", "secret", "list", *file, given="", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr()
    assert "a.b\n" in shown.out
    assert "s3cr3t" not in shown.out + shown.err
    data = YAML(typ="safe").load((tmp_path / "secrets.yaml").read_text(encoding="utf-8"))
    assert sops.decrypted(data, environ, "file") == {
        "hub": {"config": {"GitHubOAuthenticator": {"client_secret": "s3cr3t"}}},
        "a": {"b": "other"},
    }


def test_a_file_in_plain_text_is_not_taken_for_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text("a: b\n")
    assert call(*SET, "--file", str(path), given="x", monkeypatch=monkeypatch) == 2
    assert path.read_text() == "a: b\n"


@pytest.mark.skipif(shutil.which("sops") is None, reason="no sops on PATH")
def test_sops_reads_ours_and_we_read_its(
    closed: dict[str, Any], environ: dict[str, str], tmp_path: Path
) -> None:
    def sops_(*words: str) -> str:
        command = ["sops", *words]
        env = {**environ, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=env, capture_output=True, check=True)
        return done.stdout.decode()

    ours, plain = tmp_path / "ours.yaml", tmp_path / "plain.yaml"
    YAML().dump(closed, ours)
    assert YAML(typ="safe").load(sops_("--decrypt", str(ours))) == VALUES
    YAML().dump(VALUES, plain)
    theirs = YAML(typ="safe").load(sops_("--encrypt", "--age", age.own(environ)[0], str(plain)))
    assert sops.decrypted(theirs, environ, "file") == VALUES
