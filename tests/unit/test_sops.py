"""Encrypted values, by the real sops: what only keyholders read, and nobody changes unseen."""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from habari_local.cli import main
from habari_local.config import age
from habari_local.core.errors import HabariError, MissingTool
from habari_local.drivers import sops
from habari_local.helm_values.values import at, read
from tests.programs import with_program

FIXTURE = Path(__file__).parents[1] / "fixtures" / "sops"
# Made for this fixture and for nothing else; in two parts, since scanners look for whole ones.
OLD_KEY = "AGE-SECRET-KEY-1" + "RWJVA0VZJ9EX0P3YKEVM6DA4QZ8H5PV8YKJYQJ8M4Q94Z8CALK6QQ7UV6L"
PLACE = "hub.config.GitHubOAuthenticator.client_secret"
VALUES = {"hub": {"config": {"GitHubOAuthenticator": {"client_secret": "s3cr3t"}}}}


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of all calls: sops in its PATH, a key of its own, no other's."""
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "keys" / "keys.txt"))
    monkeypatch.setenv("PATH", with_program("sops")["PATH"])
    return dict(os.environ)


@pytest.fixture
def file(tmp_path: Path, environ: dict[str, str]) -> Path:
    """An encrypted file of VALUES."""
    path = tmp_path / "secrets.yaml"
    sops.create(path, VALUES, [age.own(environ)[0]], environ)
    return path


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def secret(verb: str, *words: object, given: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as ended:
            main(["config", "secret", verb, *map(str, words)])
        return int(ended.value.code or 0)

    return secret


def new_key(folder: Path) -> tuple[str, dict[str, str]]:
    """Another person's public key, and the environment that decrypts with it."""
    given = {"SOPS_AGE_KEY_FILE": str(folder / "keys.txt")}
    return age.own(given)[0], {**os.environ, **given}


def test_our_key_is_ours_alone(environ: dict[str, str], tmp_path: Path) -> None:
    public, made = age.own(environ)
    assert made
    assert public.startswith("age1")
    assert age.own(environ) == (public, False)
    path = age.key_file(environ)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    given = {"SOPS_AGE_KEY": path.read_text(), "SOPS_AGE_KEY_FILE": str(tmp_path / "none")}
    assert age.own(given) == (public, False)
    with pytest.raises(HabariError, match="Age key: none in SOPS_AGE_KEY"):
        age.own({"SOPS_AGE_KEY": "nonsense"})


def test_a_file_of_before_opens_and_is_changed(
    tmp_path: Path, environ: dict[str, str], call: Callable[..., int]
) -> None:
    """Made by the reader and writer that came before sops itself."""
    path = tmp_path / "secrets.yaml"
    path.write_bytes((FIXTURE / "made-before-sops.yaml").read_bytes())
    key = age.key_file(environ)
    key.parent.mkdir()
    key.write_text(OLD_KEY)
    before = sops.decrypt(path, environ)
    assert before == {
        "hub": {"config": {"GitHubOAuthenticator": {"client_secret": "s3cr3t", "n": 7}}},
        "list": [{"password": "a"}, "b", ""],
        "ratio": 0.25,
        "nothing": None,
        "plain_unencrypted": "seen",
    }
    assert call("set", "a.b", "--file", path, given="new") == 0
    assert sops.decrypt(path, environ) == {**before, "a": {"b": "new"}}


def test_secrets_are_set_one_after_the_other_and_never_shown(
    environ: dict[str, str],
    tmp_path: Path,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "secrets.yaml"
    assert call("set", PLACE, "--file", path, given="s3cr3t\n") == 0
    assert call("set", 'a."b.c"', "--file", path, given="other") == 0
    assert call("list", "--file", path) == 0
    shown = capsys.readouterr()
    assert "a.b.c\n" in shown.out
    assert age.own(environ)[0] in shown.out
    assert "s3cr3t" not in shown.out + shown.err + path.read_text()
    assert sops.decrypt(path, environ) == {**VALUES, "a": {"b.c": "other"}}
    assert [each.name for each in tmp_path.iterdir() if each.name != "keys"] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["yes", "012", "1e3", "12:30:45", "null", "", "2026-01-02", "=~<"])
def test_a_value_comes_back_as_the_text_it_was(
    text: str, file: Path, environ: dict[str, str], call: Callable[..., int]
) -> None:
    """Whatever YAML takes it for."""
    code = call("set", "a.b", "--file", file, given=text)
    if text:
        assert code == 0
        assert sops.decrypt(file, environ)["a"]["b"] == text
    else:
        assert code == 2


def test_a_file_is_named_from_where_one_stands(
    tmp_path: Path,
    environ: dict[str, str],
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = os.path.relpath(tmp_path / "secrets.yaml")
    assert call("list", "--file", path) == 2
    assert "Try: habari-local config secret set --file" in capsys.readouterr().err
    assert call("set", PLACE, "--file", path, given="s3cr3t") == 0
    assert sops.decrypt(tmp_path / "secrets.yaml", environ) == VALUES


@pytest.mark.parametrize("place", ["hub", "hub.config", f"{PLACE}.x", "a[0]", "sops.mac", ""])
def test_no_map_is_replaced_and_no_value_gets_names_below_it(
    place: str, file: Path, call: Callable[..., int]
) -> None:
    before = file.read_bytes()
    assert call("set", place, "--file", file, given="x") == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize("size", [200_000, 300_000])
def test_what_is_too_large_to_be_read_again_is_not_written(
    size: int, file: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """200 kB are 266 kB when they are encrypted, and the limit of values is 256 KiB."""
    before = file.read_bytes()
    assert call("set", "a.b", "--file", file, given="k" * size) == 2
    assert file.read_bytes() == before
    assert "256 KiB" in capsys.readouterr().err


def test_nothing_of_others_is_lost(
    tmp_path: Path, environ: dict[str, str], call: Callable[..., int]
) -> None:
    """Other keys and rules, comments, order; what the rules leave in plain text stays so."""
    path, plain = tmp_path / "secrets.yaml", tmp_path / "plain.yaml"
    other, their = new_key(tmp_path / "other")
    plain.write_text("# why\nz:\n    password: one # old\n    host: two\na:\n    password: x\n")
    keys = f"{age.own(environ)[0]},{other}"
    argv = [sops.program(environ), "encrypt", "--age", keys, "--encrypted-regex", "^password$"]
    done = subprocess.run([*argv, plain], env=environ, capture_output=True, check=True)
    path.write_bytes(done.stdout)
    assert call("set", "b.password", "--file", path, given="three") == 0
    text = path.read_text()
    assert "# why" in text
    assert "host: two" in text
    assert list(sops.decrypt(path, their)) == ["z", "a", "b"]
    assert sops.decrypt(path, their)["b"] == {"password": "three"}
    before = path.read_bytes()
    assert call("set", "b.token", "--file", path, given="bare") == 2, "it would be in plain text"
    assert path.read_bytes() == before


def test_keys_are_added_and_removed_with_a_new_key_of_the_file(
    file: Path, environ: dict[str, str], tmp_path: Path, call: Callable[..., int]
) -> None:
    mine, (other, their) = age.own(environ)[0], new_key(tmp_path / "other")
    old = file.read_bytes()
    assert call("rotate", "--add", other, "--file", file) == 0
    assert sops.decrypt(file, their) == sops.decrypt(file, environ) == VALUES
    assert at(read(file).data, ("hub",)) != at(read(copy_of(old, tmp_path)).data, ("hub",))
    assert call("set", "a.b", "--to", other, "--file", file, given="x") == 2
    assert call("rotate", "--remove", "age1unknown", "--file", file) == 2
    assert call("rotate", "--add", "age1nonsense", "--file", file) == 1
    assert call("rotate", "--remove", mine, "--remove", other, "--file", file) == 2
    assert call("rotate", "--remove", mine, "--file", file) == 0
    assert sops.recipients(read(file).data) == [other]
    with pytest.raises(HabariError, match="none of our keys decrypts it"):
        sops.decrypt(file, environ)
    assert call("set", "a.b", "--file", file, given="x") == 1


def copy_of(content: bytes, folder: Path) -> Path:
    path = folder / "old.yaml"
    path.write_bytes(content)
    return path


def test_an_editor_edits_it(
    file: Path, environ: dict[str, str], call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    monkeypatch.setenv("EDITOR", "true")
    assert call("edit", "--file", file) == 0
    assert file.read_bytes() == before
    monkeypatch.setenv("EDITOR", "sed -i s/s3cr3t/ch4ng3d/")
    assert call("edit", "--file", file) == 0
    assert at(sops.decrypt(file, environ), tuple(PLACE.split("."))) == "ch4ng3d"
    monkeypatch.setenv("EDITOR", "false")
    before = file.read_bytes()
    assert call("edit", "--file", file) == 1
    assert file.read_bytes() == before


def moved(text: str) -> str:
    return text.replace("client_secret:", "client_id:")


def mac_only(text: str) -> str:
    forged = re.sub(r"client_secret: .*", "client_secret: forged", text)
    return forged + "    mac_only_encrypted: true\n"


def mac_only_alone(text: str) -> str:
    return text + "    mac_only_encrypted: true\n"


def taken_away(text: str) -> str:
    return re.sub(r" +client_secret: .*\n", "", text).replace(
        "GitHubOAuthenticator:", "GitHubOAuthenticator: {}"
    )


def in_plain_text(text: str) -> str:
    return re.sub(r"client_secret: .*", "client_secret: mine", text)


def not_encrypted_by_its_rules(text: str) -> str:
    return text.replace("unencrypted_suffix: _unencrypted", "unencrypted_suffix: client_secret")


def without_checksum(text: str) -> str:
    return re.sub(r" +mac: .*\n", "", text)


def one_added(text: str) -> str:
    return f"added_unencrypted: mine\n{text}"


FORGERIES = (moved, mac_only, mac_only_alone, taken_away, in_plain_text, one_added)


@pytest.mark.parametrize("forge", [*FORGERIES, not_encrypted_by_its_rules, without_checksum])
def test_a_change_that_sops_did_not_make_is_refused_and_not_signed(
    forge: Callable[[str], str],
    file: Path,
    environ: dict[str, str],
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What says how a file is to be read is in the file, and nobody vouches for it."""
    forged = forge(file.read_text())
    assert forged != file.read_text()
    file.write_text(forged)
    with pytest.raises(HabariError) as told:
        sops.decrypt(file, environ)
    assert call("set", "a.b", "--file", file, given="other") == 1
    assert call("rotate", "--file", file) == 1
    assert file.read_text() == forged
    shown = capsys.readouterr()
    for text in (told.value.message, shown.out, shown.err):
        assert "s3cr3t" not in text
        assert not re.search(r"[0-9A-F]{64}", text), "a digest of the values tells of them"


def test_a_file_in_plain_text_is_not_taken_for_encrypted(
    tmp_path: Path, environ: dict[str, str], call: Callable[..., int]
) -> None:
    path = tmp_path / "secrets.yaml"
    path.write_text("a: b\n")
    assert environ
    for verb, *words in (("set", "a"), ("edit",), ("rotate",), ("list",)):
        assert call(verb, *words, "--file", path, given="x") == 2
    assert path.read_text() == "a: b\n"


def test_without_sops_the_command_that_gets_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingTool) as told:
        sops.decrypt(tmp_path / "secrets.yaml", {"PATH": str(tmp_path)})
    assert "sops" in told.value.hint


def test_no_secret_is_an_argument_or_in_a_file_that_others_read(
    tmp_path: Path,
    environ: dict[str, str],
    call: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program in sops' place notes what it is called with, and what files there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    spy = folder / "sops"
    real, log = sops.program(environ), tmp_path / "log"
    spy.write_text(
        f'#!/bin/sh\n{{ echo "$@"; grep -rl s3cr3t {tmp_path} --include=*.yaml; }} >>{log}\n'
        f'exec {real} "$@"\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{environ['PATH']}")
    path = tmp_path / "secrets.yaml"
    for _ in range(2):
        assert call("set", PLACE, "--file", path, given="s3cr3t") == 0
    assert "set" in log.read_text()
    assert "s3cr3t" not in log.read_text()
    assert ".yaml" not in [line[-5:] for line in log.read_text().splitlines() if "/" not in line]
