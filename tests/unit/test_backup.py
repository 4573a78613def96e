"""Backups: packed and unpacked, whole or not there, and in nobody's way; S3 is the real service."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from habari_local import modes
from habari_local.backup import create_restore, hub_users
from habari_local.backup.create_restore import create
from habari_local.backup.manifest import (
    MANIFEST,
    SUMS,
    Backup,
    BackupWriter,
    create_backup,
    open_backup,
)
from habari_local.commands.backup import check, list_
from habari_local.core.errors import INCOMPLETE, HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.tar_stream import Report
from habari_local.platform.mode import Archive, Home, S3Endpoint, ServiceStatus
from tests.unit.test_s3 import BUCKETS, S3, s3

__all__ = ["s3"]


def a_tar(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return out.getvalue()


HOME = a_tar("./home")


def some_backup(folder: Path, mode: str = "kind", missing: dict[str, str] | None = None) -> Backup:
    with create_backup(folder, mode) as new:
        with new.add("database", "database") as out:
            out.write(b"database")
            out.report.entries = 1
        with new.add("homes", "homes/0000.tar", owner="ada", about={"a": 1}) as out:
            out.write(HOME)
            out.report = Report(1, missing=dict(missing or {}), left_out={"sock": "socket"})
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
    file = folder / "homes" / "0000.tar"
    for content, seen in (
        (HOME.replace(b"./home", b"./hOme"), "other bytes than were written"),
        (HOME[:512], f"512 bytes, {len(HOME)} were written"),
        (None, "not there"),
    ):
        file.write_bytes(content) if content else file.unlink()
        with pytest.raises(HabariError, match=f"damaged.*homes/0000.tar: {seen}"):
            open_backup(folder)
    file.write_bytes(HOME)
    open_backup(folder)
    manifest = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(manifest.replace('"ada"', '"eve"'))
    with pytest.raises(HabariError, match=f"{MANIFEST}: other bytes than {SUMS} says"):
        open_backup(folder)
    (folder / MANIFEST).write_text(manifest.replace("homes/0000.tar", "../../0000.tar"))
    with pytest.raises(HabariError, match="not a backup"):
        open_backup(folder)
    (folder / MANIFEST).write_text('{"pieces": [')
    with pytest.raises(HabariError, match="not a backup"):
        open_backup(folder)


def test_other_programs_read_a_backup(tmp_path: Path) -> None:
    backup = some_backup(tmp_path / "one")
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=backup.folder, check=True)
    listed = subprocess.run(
        ["tar", "-tf", "homes/0000.tar"], cwd=backup.folder, check=True, capture_output=True
    )
    assert listed.stdout == b"./home\n"
    assert [each.file for each in backup.pieces] == ["database.sql", "homes/0000.tar"]


def test_what_the_disk_made_something_else_of_is_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = BackupWriter._read_back

    def read_back(self: BackupWriter, piece: Any) -> str:
        path = self.folder / piece.file
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return spoilt(self, piece)

    monkeypatch.setattr(BackupWriter, "_read_back", read_back)
    with pytest.raises(HabariError, match="other bytes than were written, when it was read back"):
        some_backup(tmp_path / "one")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_fewer_entries_than_went_in_is_no_backup(tmp_path: Path) -> None:
    def make() -> None:
        with (
            create_backup(tmp_path / "one", "kind") as new,
            new.add("homes", "homes/0000.tar") as out,
        ):
            out.write(HOME)
            out.report.entries = 2

    with pytest.raises(HabariError, match=r"homes/0000.tar: 1 entries, not 2, when"):
        make()


def test_a_backup_says_what_is_missing_and_so_does_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = check(some_backup(tmp_path / "whole").folder)
    assert whole.code == 0
    assert "1 socket" in str(whole.shown)
    backup = some_backup(tmp_path / "one", missing={"sécret\n": "Cannot open: Permission denied"})
    assert backup.missing == ["home of ada: sécret\n: Cannot open: Permission denied"]
    told = check(backup.folder)
    assert told.code == INCOMPLETE
    assert "home of ada: sécret\\n: Cannot open" in "".join(map(str, told.shown))
    assert told.data["complete"] is False
    assert json.loads((backup.folder / MANIFEST).read_text())["complete"] is False


class Keeper:
    """A mode with some homes."""

    def __init__(self, s3: S3 | None = None, running: Sequence[str] = ()) -> None:
        self.s3, self.running = s3, running
        self.name, self.put = "kind", dict[str, bytes]()
        self.put_as: dict[str, tuple[Home, dict[str, Any]]] = {}
        self.owners, self.closed = ["ada"], set[str]()
        self.database, self.held, self.fails = True, False, False

    def status(self, ctx: Any) -> list[ServiceStatus]:
        return [ServiceStatus("server", "running", user=each) for each in self.running]

    def endpoints(self, ctx: Any) -> Any:
        assert self.s3
        of, names = self.s3.target, BUCKETS
        key = (of.access_key_id, of.secret_access_key)
        where = S3Endpoint(of.endpoint_url, of.region, *key, names.lake, names.notebooks)
        return SimpleNamespace(s3=where)

    def bucket_access(self, ctx: Any) -> Any:
        assert self.s3
        return self.s3.target

    def homes(self, ctx: Any) -> list[Home]:
        return [Home(each) for each in self.owners]

    def home_of(self, ctx: Any, owner: str) -> Home:
        return Home(owner, {"volume": f"v-{owner}", "uid": 1000})

    def delete_home(self, ctx: Any, home: Home) -> None:
        self.owners.remove(home.owner)

    def take_home(self, ctx: Any, home: Home, into: Any) -> Report:
        if home.owner in self.closed:
            into.write(b"half")
            raise HabariError("Volume: it can't be mounted.", "")
        into.write(HOME)
        return Report(1)

    def take_database(self, ctx: Any, into: Any) -> bool:
        into.write(b"-- a dump")
        return self.database

    @contextmanager
    def maintenance(self, ctx: Any) -> Iterator[None]:
        self.held = True
        yield
        self.held = False

    def put_home(self, ctx: Any, home: Home, source: Archive) -> Report:
        assert self.held
        self.put[home.owner] = source.file.read()
        self.put_as[home.owner] = (home, source.options)
        if self.fails:
            raise HabariError("Volume: full.", "")
        return Report(missing={"mine": "Cannot change ownership"})

    def put_database(self, ctx: Any, source: IO[bytes]) -> None:
        assert self.held
        self.put["database"] = source.read()


@pytest.fixture
def ctx(tmp_path: Path) -> Any:
    checkout = SimpleNamespace(state=tmp_path / "state")
    checkout.state.mkdir()
    secrets = {"cookie_secret": "a", "crypt_key": "b"}
    settings = SimpleNamespace(s3_backend="moto")
    return SimpleNamespace(settings=settings, checkout=checkout, secrets=secrets)


def quiet(_: str) -> None:
    """Say nothing."""


PEOPLE = ["database", "homes"]
GO_ON = create_restore.RestoreOptions("go on")


def test_one_home_that_can_not_be_had_keeps_no_other_from_being_kept(
    tmp_path: Path, ctx: Any
) -> None:
    keeper = Keeper()
    mode: Any = keeper
    keeper.owners, keeper.closed = ["ada", "eve", "linus"], {"eve"}
    backup = create(mode, ctx, tmp_path / "one", PEOPLE, quiet)
    assert [each.owner for each in backup.of("homes")] == ["ada", "linus"]
    assert backup.missing == ["home of eve: Volume: it can't be mounted."]
    assert open_backup(backup.folder).failed == {"eve": "Volume: it can't be mounted."}
    keeper.closed = set(keeper.owners)
    with pytest.raises(HabariError, match="can't be mounted"):
        create(mode, ctx, tmp_path / "two", PEOPLE, quiet)
    assert not (tmp_path / "two").exists()


def test_an_empty_backup_is_one_that_was_asked_for(tmp_path: Path, ctx: Any) -> None:
    keeper = Keeper()
    mode: Any = keeper
    keeper.owners = []
    with pytest.raises(HabariError, match="Nothing to back up: there is none of homes") as refused:
        create(mode, ctx, tmp_path / "one", PEOPLE, quiet)
    assert refused.value.hint == "habari-local backup create --allow-empty"
    assert not (tmp_path / "one").exists()
    create(mode, ctx, tmp_path / "one", PEOPLE, quiet, allow_empty=True)
    create(mode, ctx, tmp_path / "two", ["database"], quiet)
    keeper.database = False
    with pytest.raises(HabariError, match="none of database"):
        create(mode, ctx, tmp_path / "three", ["database"], quiet)


def test_a_restore_that_can_not_be_right_is_refused(tmp_path: Path, ctx: Any) -> None:
    backup, mode = some_backup(tmp_path / "one"), Keeper(running=["linus"])
    running: Any = mode
    with pytest.raises(HabariError, match="Servers of linus: still running"):
        create_restore.require_no_servers(running, ctx)
    mode.running = []
    create_restore.require_no_servers(running, ctx)
    create_restore.require_restorable(backup, running, PEOPLE)
    other = some_backup(tmp_path / "two", "hub")
    create_restore.require_restorable(other, running, ["homes"])
    with pytest.raises(HabariError, match=r"database.sql: its users can't be read \(no table"):
        create_restore.require_restorable(other, running, PEOPLE)
    with pytest.raises(HabariError, match="of mode hub; a cluster takes its own only"):
        create_restore.require_restorable(other, modes.get("cluster"), ["homes"])
    with pytest.raises(HabariError, match="of mode hub; mode nohub has one home"):
        create_restore.require_restorable(other, modes.get("nohub"), ["homes"])
    alone = some_backup(tmp_path / "three", "nohub")
    with pytest.raises(HabariError, match="its backups are for itself only"):
        create_restore.require_restorable(alone, running, ["homes"])
    create_restore.require_restorable(alone, modes.get("nohub"), ["homes"])


def test_a_server_that_was_started_just_before_the_hub_stopped_is_seen(
    tmp_path: Path, ctx: Any
) -> None:
    keeper = Keeper(running=["linus"])
    mode: Any = keeper
    backup = some_backup(tmp_path / "one")
    with pytest.raises(create_restore.ServersRun):
        create_restore.restore(backup, mode, ctx, PEOPLE, quiet, GO_ON)
    assert (keeper.put, keeper.held) == ({}, False), "nothing was put, and the hub is back"
    assert not create_restore.interrupted(backup, mode, ctx)


def test_what_is_in_the_way_is_named_and_what_is_asked_for_is_put(
    s3: S3, tmp_path: Path, ctx: Any
) -> None:
    keeper = Keeper(s3)
    mode: Any = keeper
    backup = some_backup(tmp_path / "one")
    assert list(create_restore.conflicts(backup, mode, ctx, ["homes", "lake"])) == ["home of ada"]
    assert list(create_restore.conflicts(backup, mode, ctx, ["database"])) == []
    done = create_restore.restore(backup, mode, ctx, ["database"], quiet, GO_ON)
    assert done.put == {"database": 1}
    assert keeper.put == {"database": b"database"}
    done = create_restore.restore(backup, mode, ctx, PEOPLE, quiet, GO_ON)
    assert keeper.put["ada"] == HOME
    assert done.missing == ["home of ada: mine: Cannot change ownership"]


def test_a_restore_that_has_not_ended_is_known_and_holds_the_hub(tmp_path: Path, ctx: Any) -> None:
    keeper = Keeper()
    mode: Any = keeper
    backup, other = some_backup(tmp_path / "one"), some_backup(tmp_path / "two", missing={"a": "b"})
    keeper.fails = True
    with pytest.raises(HabariError, match="Volume: full"):
        create_restore.restore(backup, mode, ctx, PEOPLE, quiet, GO_ON)
    assert keeper.held, "nobody's server starts in a home that is only half there"
    assert create_restore.interrupted(backup, mode, ctx)
    assert not create_restore.interrupted(other, mode, ctx)
    assert create_restore.unfinished(mode, ctx) == "go on"
    keeper.fails = False
    create_restore.restore(backup, mode, ctx, PEOPLE, quiet, GO_ON)
    assert not create_restore.interrupted(backup, mode, ctx)
    assert create_restore.unfinished(mode, ctx) == ""


def test_a_bucket_that_does_not_answer_is_a_sentence(s3: S3, tmp_path: Path, ctx: Any) -> None:
    mode: Any = Keeper(s3)
    with pytest.raises(HabariError, match="NoSuchBucket"):
        create(mode, ctx, tmp_path / "two", ["lake"], quiet)
    assert not (tmp_path / "two").exists()


def test_an_exact_restore_deletes_what_was_not_there_and_nothing_that_could_not_be_read(
    tmp_path: Path, ctx: Any
) -> None:
    keeper = Keeper()
    mode: Any = keeper
    keeper.owners, keeper.closed = ["ada", "eve"], {"eve"}
    backup = create(mode, ctx, tmp_path / "one", PEOPLE, quiet)
    keeper.owners, exact = ["ada", "eve", "linus"], create_restore.RestoreOptions("", exact=True)
    create_restore.restore(backup, mode, ctx, PEOPLE, quiet, exact)
    assert keeper.owners == ["ada", "eve"]
    assert keeper.put_as["ada"][1]["exact"]
    incomplete = some_backup(tmp_path / "two", missing={"a": "Permission denied"})
    create_restore.restore(incomplete, mode, ctx, ["homes"], quiet, exact)
    assert not keeper.put_as["ada"][1]["exact"], "what it lacks would be deleted"
    assert keeper.owners == ["ada"]


def test_a_backup_of_another_mode_goes_where_homes_are_here(tmp_path: Path, ctx: Any) -> None:
    keeper = Keeper()
    mode: Any = keeper
    with create_backup(tmp_path / "one", "hub") as new:
        with new.add("database", "database") as out:
            out.write(DUMP.encode())
            out.report.entries = 1
        with new.add("homes", "homes/0000.tar", owner="ada", about={"uid": 1234}) as out:
            out.write(HOME)
            out.report = Report(1)
    backup = open_backup(tmp_path / "one")
    assert hub_users.read(backup) == ["ada", "x-y"]
    done = create_restore.restore(backup, mode, ctx, PEOPLE, quiet, GO_ON)
    home, options = keeper.put_as["ada"]
    assert home.about == {"volume": "v-ada", "uid": 1234}
    assert options["mount"] == "project"
    assert "database" not in keeper.put, "it is nothing to this mode"
    assert done.put["homes"] == 1
    assert create_restore.interrupted(backup, mode, ctx), "its users are still to come"
    assert create_restore.signs_out(backup, mode, ctx)


def test_users_are_told_when_the_keys_of_their_sessions_are_gone(tmp_path: Path, ctx: Any) -> None:
    mode: Any = Keeper()
    backup = create(mode, ctx, tmp_path / "one", PEOPLE, quiet)
    assert not create_restore.signs_out(backup, mode, ctx)
    text = (backup.folder / MANIFEST).read_text()
    assert not [each for each in ("cookie", "crypt") if each in text]
    ctx.secrets["cookie_secret"] = "another"
    assert create_restore.signs_out(backup, mode, ctx)


DUMP = """\
COPY public.user_role_map (user_id, role_id) FROM stdin;
1\t1
\\.
COPY public.users (id, name, admin, created) FROM stdin;
1\tada\tt\t2026-01-01 00:00:00
2\tx-y\tf\t2026-01-01 00:00:00
\\.
"""
