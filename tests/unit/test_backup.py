"""Backups: packed and unpacked, whole or not there, and in nobody's way; S3 is the real service."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from habari_local.backup import create_restore
from habari_local.backup.create_restore import create
from habari_local.backup.manifest import MANIFEST, Backup, create_backup, open_backup
from habari_local.commands.backup import list_
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.platform.mode import Home, S3Endpoint, ServiceStatus
from habari_local.s3 import bucket_tar
from tests.unit.test_s3 import BUCKETS, S3, s3

__all__ = ["s3"]


def test_objects_come_back_with_what_is_told_of_them(s3: S3, tmp_path: Path) -> None:
    lake, keys = BUCKETS.lake, ["a/b", "/", "/odd", "../up", "ünï\ncode", "folder/", "empty"]
    for name in BUCKETS:
        s3.root.create_bucket(Bucket=name)
    for key in keys:
        more = {"ContentType": "text/x-odd", "Metadata": {"who": "ada"}}
        body = b"" if key == "empty" else key.encode()
        s3.root.put_object(Bucket=lake, Key=key, Body=body, **more)
    file = tmp_path / "lake.tar"
    with file.open("wb") as out:
        assert bucket_tar.pack(s3.root, lake, out) == len(keys)
    with tarfile.open(file) as tar:
        assert list(bucket_tar.conflicts(s3.root, lake, tar)) == []
        assert bucket_tar.unpack(s3.root, lake, tar) == 0, "all the same: nothing is put"
        s3.root.put_object(Bucket=lake, Key="a/b", Body=b"abc")
        assert list(bucket_tar.conflicts(s3.root, lake, tar)) == ["a/b"]
        assert bucket_tar.unpack(s3.root, BUCKETS.notebooks, tar) == len(keys)
        assert bucket_tar.unpack(s3.root, lake, tar) == 1
    found = s3.root.get_object(Bucket=BUCKETS.notebooks, Key="../up")
    assert found["Body"].read() == b"../up"
    assert (found["ContentType"], found["Metadata"]) == ("text/x-odd", {"who": "ada"})
    assert s3.root.get_object(Bucket=lake, Key="a/b")["Body"].read() == b"a/b"


def test_an_answer_that_is_no_object_is_told_with_its_key(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.root.create_bucket(Bucket=BUCKETS.lake)
    client = s3.root
    client.put_object(Bucket=BUCKETS.lake, Key="/", Body=b"x")
    listing = {"Body": io.BytesIO(b"<ListBucketResult/>"), "ContentLength": 19, "ETag": ""}
    monkeypatch.setattr(client, "get_object", lambda **_: listing)
    with pytest.raises(HabariError, match="habari-lake: the object with the key '/'") as caught:
        bucket_tar.pack(client, BUCKETS.lake, io.BytesIO())
    assert caught.value.hint == "habari-local s3 ls s3://habari-lake/"


def test_what_was_sent_in_parts_is_compared_byte_by_byte(s3: S3, tmp_path: Path) -> None:
    for name in BUCKETS:
        s3.root.create_bucket(Bucket=name)
    large = os.urandom(9 << 20)
    s3.root.upload_fileobj(io.BytesIO(large), BUCKETS.lake, "large")
    assert "-" in s3.root.head_object(Bucket=BUCKETS.lake, Key="large")["ETag"]
    file = tmp_path / "lake.tar"
    with file.open("wb") as out:
        bucket_tar.pack(s3.root, BUCKETS.lake, out)
    with tarfile.open(file) as tar:
        assert list(bucket_tar.conflicts(s3.root, BUCKETS.lake, tar)) == []
        s3.root.put_object(Bucket=BUCKETS.lake, Key="large", Body=large[:-1] + b"?")
        assert list(bucket_tar.conflicts(s3.root, BUCKETS.lake, tar)) == ["large"]


def some_backup(folder: Path, mode: str = "kind") -> Backup:
    with create_backup(folder, mode) as new:
        with new.add("database", "database") as out:
            out.write(b"database")
        with new.add("homes", "homes/0000.tar", owner="ada", about={"a": 1}) as out:
            out.write(b"home")
    return open_backup(folder)


def test_a_backup_is_private_and_whole_or_not_there(tmp_path: Path) -> None:
    backup = some_backup(tmp_path / "good")
    assert backup.folder.stat().st_mode & 0o777 == 0o700
    modes = {p.stat().st_mode & 0o777 for p in backup.folder.rglob("*") if p.is_file()}
    assert modes == {0o600}
    with pytest.raises(HabariError, match="already exists"):
        some_backup(tmp_path / "good")
    with pytest.raises(KeyError), create_backup(tmp_path / "bad", "kind") as new:  # noqa: PT012
        with new.add("homes", "homes/0000.tar") as out:
            out.write(b"half")
        raise KeyError
    assert [each.name for each in tmp_path.iterdir()] == ["good"]


def test_backups_are_listed_the_newest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("habari_local.core.paths.find_checkout", lambda: Checkout(tmp_path))
    assert "habari-local backup create" in str(list_().shown)
    for name in ("2026-01-01T00-00-00Z", "2026-02-01T00-00-00Z"):
        some_backup(Checkout(tmp_path).state / "backups" / name)
    (tmp_path / ".habari" / "backups" / "half").mkdir()
    assert [Path(row["folder"]).name[:7] for row in list_().data] == ["2026-02", "2026-01"]
    assert "no readable backup.json" in capsys.readouterr().err


def test_what_is_no_whole_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HabariError, match=r"no readable backup\.json"):
        open_backup(tmp_path)
    folder = some_backup(tmp_path / "one").folder
    (folder / "homes" / "0000.tar").write_bytes(b"hOme")
    with pytest.raises(HabariError, match=r"homes/0000.tar corrupted"):
        open_backup(folder)
    (folder / "homes" / "0000.tar").unlink()
    with pytest.raises(HabariError, match=r"homes/0000.tar corrupted"):
        open_backup(folder)
    (folder / MANIFEST).write_text('{"pieces": [')
    with pytest.raises(HabariError, match="not a backup"):
        open_backup(folder)


class Keeper:
    """A mode with one home."""

    def __init__(self, s3: S3 | None = None, running: Sequence[str] = ()) -> None:
        self.s3, self.running = s3, running
        self.name, self.put = "kind", dict[str, bytes]()

    def status(self, ctx: Any) -> list[ServiceStatus]:
        return [ServiceStatus("server", "running", user=each) for each in self.running]

    def endpoints(self, ctx: Any) -> Any:
        assert self.s3
        of, names = self.s3.target, BUCKETS
        key = (of.access_key_id, of.secret_access_key)
        where = S3Endpoint(of.endpoint_url, of.region, *key, names.lake, names.notebooks)
        return SimpleNamespace(s3=where)

    def homes(self, ctx: Any) -> list[Home]:
        return [Home("ada")]

    def take_home(self, *_: Any) -> None:
        raise AssertionError

    take_database = take_home

    def put_home(self, ctx: Any, home: Home, source: IO[bytes]) -> None:
        self.put[home.owner] = source.read()

    def put_database(self, ctx: Any, source: IO[bytes]) -> None:
        self.put["database"] = source.read()


CTX: Any = SimpleNamespace(settings=SimpleNamespace(s3_backend="moto"))


def test_a_restore_that_can_not_be_right_is_refused(tmp_path: Path) -> None:
    backup, mode = some_backup(tmp_path / "one"), Keeper(running=["linus"])
    running: Any = mode
    with pytest.raises(HabariError, match="Servers of linus: still running"):
        create_restore.require_restorable(backup, running, CTX)
    mode.running = []
    create_restore.require_restorable(backup, running, CTX)
    with pytest.raises(HabariError, match="of mode process; this is mode"):
        create_restore.require_restorable(some_backup(tmp_path / "two", "process"), running, CTX)


def test_what_is_in_the_way_is_named_and_what_is_asked_for_is_put(s3: S3, tmp_path: Path) -> None:
    keeper = Keeper(s3)
    mode: Any = keeper
    backup = some_backup(tmp_path / "one")
    assert list(create_restore.conflicts(backup, mode, CTX, ["homes", "lake"])) == ["home of ada"]
    assert list(create_restore.conflicts(backup, mode, CTX, ["database"])) == []
    put = create_restore.restore(backup, mode, CTX, ["database"], lambda _: None)
    assert put == {"database": 1}
    assert keeper.put == {"database": b"database"}


def test_a_bucket_that_does_not_answer_is_a_sentence(s3: S3, tmp_path: Path) -> None:
    mode: Any = Keeper(s3)
    with pytest.raises(HabariError, match="NoSuchBucket"):
        create(mode, CTX, tmp_path / "two", ["lake"], lambda _: None)
    assert not (tmp_path / "two").exists()
