"""A rotation of the servers' key while somebody saves five times a second."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from habari_local.drills.hub_user import HubUser
from habari_local.drills.scratch_platform import read
from habari_local.drivers.jupyterhub import HubClient
from habari_local.s3.iam_key import KeyFile
from habari_local.s3.s3_client import S3Access, S3Target, iam_client
from tests.rehearsals.external_cluster import Foreign, good
from tests.scratch import Scratch

PAUSE = 0.2  # seconds between two saves
USER = "rotated"
ID, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
ROTATE = (
    *("s3", "rotate-key", "--user", USER, "--context", "trial", "--namespace", "trial", "--json"),
)


@dataclass
class Rotation:
    """What was heard of each save, what the two calls told, which keys are left."""

    before: str
    heard: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    code: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def rotated(of: Foreign, scratch: Scratch) -> Rotation:
    """Rotate the key of a trial; whoever saves has the old one, restarts, and has the new one."""
    root = of.own.secret("habari", "habari-s3-root")
    pair = [root[f"HABARI_S3_ROOT_{each}"] for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    administrator = dict(zip((ID, SECRET), pair, strict=True))
    kept = of.own.secret("trial", "habari-s3")
    access = _bootstrapped(scratch, administrator)
    own = {ID: access.access_key_id, SECRET: access.secret_access_key}
    of.own.keep_secret("trial", "habari-s3", {**kept, **own})
    good(scratch, "up")
    where = read(good(scratch, "endpoints"))
    name, hub = where.users["allowed"][0], HubClient(where.hub_url, where.hub_api_token)
    hub.ensure(name)
    hub.start(name)
    person, found = HubUser(where, name, "test"), Rotation(access.access_key_id)
    with saving(person, found.heard):
        first = scratch.call(*ROTATE, **administrator)
    found.code, found.behind = first.returncode, json.loads(first.stdout)["behind"]
    hub.stop(name)
    hub.start(name)
    with saving(person, found.heard):
        found.told = json.loads(scratch.good(*ROTATE, "--wait", "60", **administrator))
    with saving(person, found.heard):
        threading.Event().wait(2)
    iam = iam_client(S3Target(of.maker.s3_url, "us-east-1", pair[0], pair[1], "localstack"))
    keys = iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]
    found.left = [each["AccessKeyId"] for each in keys]
    hub.ask("DELETE", f"users/{name}")
    of.own.keep_secret("trial", "habari-s3", kept)
    person.leave()
    hub.close()
    return found


def _bootstrapped(scratch: Scratch, administrator: dict[str, str]) -> S3Access:
    scratch.good("s3", "bootstrap", "--user", USER, **administrator)
    access = KeyFile(scratch.state / "aws" / f"{USER}.env").read().access
    assert access
    return access


@contextmanager
def saving(person: HubUser, heard: list[str]) -> Iterator[None]:
    """Have somebody save again and again; what is heard of each save is kept."""
    over, began = threading.Event(), len(heard)

    def work() -> None:
        number = 0
        while not over.wait(PAUSE):
            number += 1
            heard.append(person.save("notebooks/rotated.ipynb", f"{number}").outcome)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert len(heard) > began, "somebody saved meanwhile"
