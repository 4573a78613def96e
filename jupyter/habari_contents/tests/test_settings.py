"""What a folder's settings and its store change: read-only, storage, conditions, credentials."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import sqlite3
from unittest.mock import Mock

import nbformat
import psutil
import pytest
from botocore.exceptions import ClientError
from habari_contents import HabariContentsManager, client, copy, delete, errors, models
from habari_contents.bucket import Bucket
from habari_contents.client import S3Client
from habari_contents.conditional_writes import ConditionalWrites
from habari_contents.settings import Deadlines
from habari_contents.types import Condition, ETag, Stat
from nbformat.sign import NotebookNotary

from .servers import KEYS, notebook
from .stores import STORE

LAKE = "habari-lake"


def test_read_only_folder_shows_as_such_and_changes_nothing(jupyter, s3, keys, name):
    s3.put_object(Bucket=LAKE, Key=f"shelf/{name}.txt", Body=b"kept")
    path = f"shelf/{name}.txt"
    assert jupyter.get(path).json()["writable"] is False
    assert all(not e["writable"] for e in jupyter.get("shelf").json()["content"])
    root = {e["name"]: e["writable"] for e in jupyter.get("").json()["content"]}
    assert (root["shelf"], root["lake"]) == (False, True)
    refused = [
        jupyter.text(path, "other"),
        jupyter.move(path, f"lake/{name}.txt"),
        jupyter.move(path, f"shelf/{name}-2.txt"),
        jupyter.call("DELETE", path),
        jupyter.call("POST", f"{path}/checkpoints"),
        jupyter.call("POST", "shelf", json={"type": "notebook"}),
        jupyter.call("POST", "shelf", json={"copy_from": path}),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert keys(LAKE, f"shelf/{name}") == [f"shelf/{name}.txt"]
    assert jupyter.call("POST", "lake", json={"copy_from": path}).status_code == 201


@pytest.mark.skipif(STORE == "versitygw", reason="versitygw keeps neither of the two settings")
def test_encryption_and_storage_class_are_what_was_set(jupyter, s3, name):
    assert jupyter.text(f"cold/{name}.txt", "x").ok
    assert jupyter.text(f"lake/{name}.txt", "x").ok
    assert jupyter.move(f"lake/{name}.txt", f"cold/{name}-moved.txt").ok
    for key in (f"cold/{name}.txt", f"cold/{name}-moved.txt"):
        facts = s3.head_object(Bucket=LAKE, Key=key)
        assert (facts["ServerSideEncryption"], facts["StorageClass"]) == ("AES256", "STANDARD_IA")


def test_asking_a_store_for_conditions_leaves_nothing(jupyter, keys, name):
    assert jupyter.text(f"lake/{name}.txt", "x").ok
    assert not [key for key in keys(LAKE, "") if "habari-asks" in key]
    log = jupyter.log_file.read_text()
    assert "ignores conditional writes" not in log


class Careless:
    """A store that takes every write, at the seam to aiobotocore."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.renewed = 0
        self.refuses = ""

    async def get(self):
        return self

    def renew(self) -> None:
        self.renewed += 1

    async def put_object(self, *, Key, **_):  # noqa: N803 - boto's names
        self.objects[Key] = '"1"'
        return {}

    async def delete_object(self, *, Key, **_):  # noqa: N803
        del self.objects[Key]

    async def head_object(self, *, Key, **_):  # noqa: N803
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses}}, "HeadObject")
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {"ETag": self.objects[Key], "ContentLength": 0, "LastModified": None}


def test_store_that_ignores_conditions_is_found_out_told_and_looked_at(caplog):
    store = Careless()
    writes = ConditionalWrites(Bucket("b", store, Deadlines()), logging.getLogger("test"))
    with caplog.at_level("WARNING"):
        held = asyncio.run(writes.condition_to_send("team/a", "lake/a", Condition(absent=True)))
    assert held == Condition()
    assert store.objects == {}
    assert "ignores conditional writes" in caplog.text
    store.objects["team/a"] = '"2"'
    for condition in (Condition(absent=True), Condition(etag=ETag("1"))):
        with pytest.raises(errors.ContentsError) as refused:
            asyncio.run(writes.condition_to_send("team/a", "lake/a", condition))
        assert refused.value.status_code == 409
    assert (
        asyncio.run(writes.condition_to_send("team/a", "lake/a", Condition(etag=ETag("2"))))
        == Condition()
    )


class Plain(Careless):
    """A store that answers 501 to a deletion with a condition, as LocalStack does."""

    async def delete_object(self, *, Key, **held):  # noqa: N803
        if "IfMatch" in held:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "DeleteObject")
        await super().delete_object(Key=Key)
        return {"ResponseMetadata": {"HTTPStatusCode": 204}}


@pytest.mark.parametrize(("now", "left"), [('"1"', {}), ('"2"', {"a": '"2"'})])
def test_store_without_conditional_deletions_is_looked_at_before_one(now, left):
    store = Plain()
    store.objects["a"] = now
    seen = Stat("a", ETag("1"), 0, models.UNKNOWN_TIME)
    kept = asyncio.run(delete.delete(Bucket("b", store, Deadlines()), [seen], "lake/a"))
    assert store.objects == left
    assert set(kept) == set(left)


@pytest.mark.parametrize("code", ["ExpiredToken", "400", "403"])
def test_credentials_that_are_refused_are_read_again(code):
    """Answers to a HEAD, as Lab's look before each save is, have a number and no name."""
    store = Careless()
    store.refuses = code
    with pytest.raises(errors.ContentsError) as refused:
        asyncio.run(Bucket("b", store, Deadlines()).head("k", "lake/k"))
    assert refused.value.status_code == 403
    assert store.renewed == 1


def test_what_one_copy_cannot_carry_goes_in_parts(monkeypatch, s3_port, s3, body, name):
    """Above 5 GiB S3 copies in parts alone; the same way is gone here with 12 MB."""
    mib = 1024 * 1024
    monkeypatch.setattr(copy, "COPY_LIMIT", 6 * mib)
    monkeypatch.setattr(copy, "COPY_PART", 5 * mib)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    content = bytes(range(256)) * (12 * mib // 256)
    s3.upload_fileobj(io.BytesIO(content), LAKE, f"{name}/from")

    async def copied():
        client = S3Client()
        try:
            bucket = Bucket(LAKE, client, Deadlines())
            stat = await bucket.head(f"{name}/from", "lake/from")
            return stat, await copy.copy(
                bucket, stat, bucket, f"{name}/to", "lake/to", Condition(absent=True)
            )
        finally:
            await client.close()

    stat, made = asyncio.run(copied())
    assert (made.size, stat.size) == (len(content), len(content))
    assert body(LAKE, f"{name}/to") == content


def test_a_machine_that_is_slow_to_import_has_s3_all_the_same(monkeypatch, s3_port, s3):
    """A tenth of a processor takes longer for that than credentials may take."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    order, limited = [], asyncio.timeout

    def limit(seconds):
        order.append("limit")
        return limited(seconds)

    monkeypatch.setattr(asyncio, "timeout", limit)
    monkeypatch.setattr(client, "_import_aiobotocore", lambda: order.append("import"))

    async def asked():
        made = S3Client()
        try:
            return await Bucket(LAKE, made, Deadlines()).head("none", "lake/none")
        finally:
            await made.close()

    assert asyncio.run(asked()) is None
    assert order[:2] == ["import", "limit"]


def test_an_s3_that_has_another_address_now_is_reached_at_once(monkeypatch, s3_port, s3):
    """As a recreated container has it, whose old address another one has, and refuses."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://s3.habari.test:{s3_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    address, looked_up = ["127.0.0.2"], socket.getaddrinfo

    def answer(host, *args, **kwargs):
        return looked_up(address[0] if host == "s3.habari.test" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    async def looked():
        client = S3Client()
        try:
            bucket = Bucket(LAKE, client, Deadlines())
            with pytest.raises(errors.ContentsError, match="could not be reached"):
                await bucket.head("none", "lake/none")
            address[0] = "127.0.0.1"
            return await bucket.head("none", "lake/none")
        finally:
            await client.close()

    assert asyncio.run(looked()) is None


def test_broken_store_of_signatures_stops_no_save_and_trusts_nothing(
    monkeypatch, s3_port, s3, name, tmp_path
):
    """It is on the home's disk: when that is full one saves to S3 just because of it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    folders = {"lake": {"bucket": "habari-lake"}}
    manager = HabariContentsManager(root_dir=str(tmp_path), folders=folders)
    manager.notary = NotebookNotary(data_dir=str(tmp_path))
    manager.notary.store = Mock(
        check_signature=Mock(side_effect=sqlite3.OperationalError("database or disk is full")),
        store_signature=Mock(side_effect=sqlite3.OperationalError("database or disk is full")),
    )
    manager.notary.store_factory = lambda: manager.notary.store
    crafted = notebook("1 + 1")
    crafted["cells"][0]["metadata"]["trusted"] = True

    async def saved_and_opened():
        try:
            model = {"type": "notebook", "content": nbformat.from_dict(crafted)}
            await manager.save(model, f"lake/{name}.ipynb")
            body = json.dumps(crafted).encode()
            s3.put_object(Bucket="habari-lake", Key=f"{name}-crafted.ipynb", Body=body)
            return [await manager.get(f"lake/{name}{n}.ipynb") for n in ("", "-crafted")]
        finally:
            await manager.close()

    for model in asyncio.run(saved_and_opened()):
        assert not model["content"]["cells"][0]["metadata"]["trusted"]


@pytest.mark.parametrize(
    ("said", "expected"), [("", "when_required"), ("when_supported", "when_supported")]
)
def test_checksums_of_botocore_are_the_aws_chains_to_set(monkeypatch, tmp_path, said, expected):
    """Stores that don't know them answer with errors: off unless somebody asks for them."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(
        f"[default]\nresponse_checksum_validation = {said}\n" * bool(said)
    )
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", said)

    async def made():
        client = S3Client()
        try:
            return (await client.get()).meta.config
        finally:
            await client.close()

    config = asyncio.run(made())
    assert config.request_checksum_calculation == expected
    assert config.response_checksum_validation == expected


def test_a_credential_process_that_hangs_is_told_in_time_and_ended(monkeypatch, tmp_path):
    asked = tmp_path / "pid"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $$ > {asked}\nexec sleep 600\n")
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    for variable in KEYS:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Long enough for a busy machine to load aiobotocore, and far below the program's 600 s.
    monkeypatch.setattr("habari_contents.client.START_SECONDS", 6.0)

    async def looked():
        client = S3Client()
        try:
            await Bucket("b", client, Deadlines()).head("k", "lake/k")
        finally:
            await client.close()

    with pytest.raises(errors.ContentsError, match="did not come in time") as told:
        asyncio.run(looked())
    assert told.value.status_code == 503
    assert not psutil.pid_exists(int(asked.read_text()))
