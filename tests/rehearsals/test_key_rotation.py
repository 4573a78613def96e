"""The servers' key is rotated while somebody saves five times a second: none of the saves fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from habari_local.drills.people import Hub, Person
from habari_local.drills.second_checkout import read
from habari_local.storage.key_file import KeyFile
from habari_local.storage.target import S3Target, iam_client
from tests.rehearsals.foreign import Foreign, good
from tests.scratch import Scratch

pytestmark = pytest.mark.timeout(400)
PAUSE = 0.2  # seconds between two saves
SECRET = ("--context", "trial", "--namespace", "trial")


@contextmanager
def saving(person: Person, heard: list[str]) -> Iterator[None]:
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


def test_no_save_fails_while_the_key_is_rotated(cluster: Foreign, trial: Scratch) -> None:
    root = cluster.own.secret("habari", "habari-s3-root")
    key = [root[f"HABARI_S3_ROOT_{each}"] for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    administrator = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), key, strict=True))
    trial.good("s3", "bootstrap", "--user", "rotated", **administrator)
    access = KeyFile(trial.state / "aws" / "rotated.env").read().access
    assert access
    pair = (access.access_key_id, access.secret_access_key)
    keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), pair, strict=True))
    kept = cluster.own.secret("trial", "habari-s3")
    cluster.own.keep_secret("trial", "habari-s3", {**kept, **keys})
    good(trial, "up")
    where = read(good(trial, "endpoints"))
    name, hub = where.users["allowed"][0], Hub(where)
    hub.ensure(name)
    hub.start(name)
    person, heard = Person(where, name, "test"), list[str]()
    rotate = ("s3", "rotate-key", "--user", "rotated", *SECRET, "--json")
    with saving(person, heard):
        done = trial.call(*rotate, **administrator)
        assert done.returncode == 4, done.stdout + done.stderr
        assert json.loads(done.stdout)["behind"] == [name]
    hub.stop(name)
    hub.start(name)
    with saving(person, heard):
        told = json.loads(trial.good(*rotate, "--wait", "60", **administrator))
    assert told["retired"]
    assert told["old"] == access.access_key_id
    with saving(person, heard):
        threading.Event().wait(2)
    assert set(heard) == {"saved"}
    target = S3Target(cluster.maker.s3_url, "us-east-1", key[0], key[1], "localstack")
    left = iam_client(target).list_access_keys(UserName="rotated")["AccessKeyMetadata"]
    assert [each["AccessKeyId"] for each in left] == [told["new"]]
    hub.ask("DELETE", f"users/{name}")
    cluster.own.keep_secret("trial", "habari-s3", kept)
    person.leave()
    hub.close()
