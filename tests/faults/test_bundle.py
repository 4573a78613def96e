"""The bundle tells of everything and no secret: canaries seeded everywhere are not in it."""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
from pathlib import Path

import psutil

from tests.e2e.endpoints import parse
from tests.e2e.hub_client import sign_in
from tests.scratch import Scratch

CANARY = "canary0secret0that0nobody0may0see"


def texts(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as archive:
        files = {each.name: archive.extractfile(each) for each in archive.getmembers()}
        return {name: file.read().decode() for name, file in files.items() if file}


def test_no_canary_is_in_the_bundle_in_a_log_or_in_a_command_line(scratch: Scratch) -> None:
    """Every secret of ours begins with a canary, and is used by a sign-in and a server."""
    from habari_local.config.secrets import MADE, write_private

    seeded = {
        name: f"{number:02x}" * size
        if name in ("crypt_key", "cookie_secret")
        else f"{CANARY}{number}"
        for number, (name, size) in enumerate(MADE.items(), 16)
    }
    write_private(scratch.state / "secrets.json", json.dumps(seeded))
    scratch.good("up")
    person = sign_in(parse(scratch.good("endpoints"), "habari-local endpoints"), "grace")
    person.start_server()
    log = scratch.state / "process" / "logs" / "hub.log"
    public = "github_client_id"  # in the address of every sign-in, as OAuth has it
    for name, secret in seeded.items():
        assert name == public or secret not in log.read_text()
    with log.open("a") as file:  # as if a library had told them
        file.writelines(f"{name} {secret}\n" for name, secret in seeded.items())
        file.write(f"GET /hub/oauth_callback?code={CANARY}&state={CANARY}\n")
        file.write(f"postgresql://habari:{CANARY}@db/habari Authorization: Bearer {CANARY}\n")
    to = scratch.root / "bundle.tar.gz"
    said = scratch.good("bundle", "--to", str(to))
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    found = texts(to)
    told = {name.partition("/")[2] for name in found}
    wanted = {"versions.json", "settings.json", "doctor.json", "status.json", "why.json"}
    assert {
        *wanted,
        "logs/server-grace.log",
        "logs/hub.log",
        "logs/proxy.log",
        "logs/s3.log",
    } <= told
    assert json.loads(found["habari-bundle/why.json"])["good"]
    argv = [" ".join(each.process.cmdline()) for each in scratch.found()]
    argv += [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    for text in (said, *found.values(), *argv):
        assert CANARY not in text
        assert not any(secret in text for secret in seeded.values())


def test_a_bundle_is_made_with_broken_settings_and_nothing_up(scratch: Scratch) -> None:
    (scratch.root / ".env").write_text("HABARI_NO_SUCH=1\n")
    to = scratch.root / "bundle.tar.gz"
    scratch.good("bundle", "--to", str(to))
    found = texts(to)
    assert "HABARI_NO_SUCH" in found["habari-bundle/settings.json"]
    assert json.loads(found["habari-bundle/why.json"])["broken"] == "settings"
    source = json.loads(found["habari-bundle/source.json"])
    assert source["commit"] == "not a git clone"
    lock = (scratch.root / "hub" / "requirements.txt").read_bytes()
    assert source["locks"]["hub/requirements.txt"] == hashlib.sha256(lock).hexdigest()
