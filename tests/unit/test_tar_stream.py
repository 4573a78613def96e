"""The program that packs folders and databases, here and in pods: all of it, and only it."""

from __future__ import annotations

import io
import os
import socket
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from habari_local.drivers import tar_stream


def packed(folder: Path) -> io.BytesIO:
    out = io.BytesIO()
    tar_stream.pack(str(folder), out)
    return io.BytesIO(out.getvalue())


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "deep" / "empty").mkdir(parents=True)
    (home / "deep" / "ünïcode\nname.ipynb").write_bytes(b"x" * 100_000)
    (home / "run.sh").write_text("#!/bin/sh\n")
    (home / "run.sh").chmod(0o770)
    (home / "link").symlink_to("/somewhere/else")
    (home / "again").hardlink_to(home / "run.sh")
    os.mkfifo(home / "fifo")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(home / "socket"))
        stream = packed(home)
    back = tmp_path / "back"
    back.mkdir()
    (back / "mine").write_text("stays")
    tar_stream.unpack(str(back), stream)
    names = {str(each.relative_to(back)) for each in back.rglob("*")}
    inside = {"deep", "deep/empty", "deep/ünïcode\nname.ipynb", "run.sh", "link", "again"}
    assert names == {*inside, "mine"}
    assert (back / "deep" / "ünïcode\nname.ipynb").read_bytes() == b"x" * 100_000
    assert (back / "run.sh").stat().st_mode & 0o777 == 0o770
    assert (back / "again").read_text() == "#!/bin/sh\n"
    assert (back / "link").readlink() == Path("/somewhere/else")


def test_a_file_that_shrinks_meanwhile_spoils_nothing_after_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 5000)
    (tmp_path / "b").write_bytes(b"b" * 5000)

    class Shrinking(io.BytesIO):
        def write(self, chunk: Any) -> int:
            os.truncate(tmp_path / "a", 10)
            return super().write(chunk)

    out = Shrinking()
    (tmp_path / "0").write_bytes(b"0" * 50_000)
    tar_stream.pack(str(tmp_path), out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        last = tar.extractfile("b")
        assert last
        assert last.read() == b"b" * 5000


def test_nothing_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "home" / "link").symlink_to(tmp_path)
    link = tarfile.TarInfo("mine")
    link.type, link.linkname = tarfile.LNKTYPE, "../secret"
    for member in (tarfile.TarInfo("../outside"), tarfile.TarInfo("link/outside"), link):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.addfile(member)
        with pytest.raises(tarfile.OutsideDestinationError):
            tar_stream.unpack(str(tmp_path / "home"), io.BytesIO(out.getvalue()))
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["home", "link", "secret"]


def test_a_link_that_is_there_is_replaced_and_not_followed(tmp_path: Path) -> None:
    home, outside, made = tmp_path / "home", tmp_path / "outside", tmp_path / "made"
    for each in (home, outside, made / "folder"):
        each.mkdir(parents=True)
    (outside / "file").write_text("theirs")
    (made / "link").symlink_to(outside)
    (made / "file").write_text("mine")
    (made / "folder" / "inner").write_text("mine")
    (home / "link").symlink_to(outside)
    (home / "file").symlink_to(outside / "file")
    tar_stream.unpack(str(home), packed(made))
    assert (home / "link").readlink() == outside
    assert (home / "file").read_text() == "mine"
    assert (outside / "file").read_text() == "theirs"
    (home / "folder" / "inner").unlink()
    (home / "folder").rmdir()
    (home / "folder").symlink_to(outside)
    tar_stream.unpack(str(home), packed(made))
    assert not (outside / "inner").exists()
    assert (home / "folder" / "inner").read_text() == "mine"


def test_a_database_is_taken_while_it_is_written_to(tmp_path: Path) -> None:
    """As the program that pods run: its source alone, over its standard streams."""
    file = tmp_path / "hub.sqlite"
    argv = [sys.executable, "-c", Path(tar_stream.__file__).read_text(encoding="utf-8")]
    with closing(sqlite3.connect(file, isolation_level=None)) as hub:
        hub.execute("pragma journal_mode=wal")
        hub.execute("create table users (name)")
        hub.execute("insert into users values ('ada')")
        hub.execute("begin immediate")
        hub.execute("insert into users values ('not yet')")
        taken = subprocess.run([*argv, "pack-database", str(file)], check=True, capture_output=True)
        hub.execute("commit")
    unpack = [*argv, "unpack-database", str(file)]
    with subprocess.Popen(unpack, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(taken.stdout)
        process.stdin.flush()
        assert process.wait(30) == 0, "it knows the end without being told"
    assert not file.with_name("hub.sqlite-wal").exists()
    with closing(sqlite3.connect(file)) as back:
        assert back.execute("select name from users").fetchall() == [("ada",)]
