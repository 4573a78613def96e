"""A folder of a million objects: it opens in part, in bounded memory, and keeps nobody out."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .faults import FaultProxy
from .habits import LargeFolder
from .servers import SLOW, Jupyter

COUNT, LISTED = 1_000_000, 20_000
MB = 1 << 20


class Large:
    """A server, and what it reaches S3 by: a store where `many/` is large."""

    def __init__(self, home: Path, s3_port: int) -> None:
        self.habit = LargeFolder("many/", COUNT)
        self.proxy = FaultProxy(s3_port)
        self.proxy.habit = self.habit
        bounds = {"look": 2, "listing": 2, "transfer": 2.5, "partial": 1}
        options = [f"--HabariContentsManager.{n}_seconds={s * SLOW}" for n, s in bounds.items()]
        self.jupyter = Jupyter(home, self.proxy.port, *options).ready()

    def stop(self) -> None:
        self.jupyter.stop()
        self.proxy.close()

    def memory(self, *, reset: bool = False) -> int:
        """The most memory that the server had since it was reset, in bytes."""
        process = Path(f"/proc/{self.jupyter.process.pid}")
        if reset:
            (process / "clear_refs").write_text("5")
        most = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
        assert most is not None
        return int(most[1]) * 1024


@pytest.fixture(scope="module")
def large(tmp_path_factory, s3_port, s3):
    found = Large(tmp_path_factory.mktemp("large"), s3_port)
    assert found.jupyter.get("lake", type="directory").ok, "S3 is loaded"
    yield found
    found.stop()


def test_it_opens_in_part_and_says_so(large):
    before = large.memory(reset=True)
    large.proxy.heal()
    model = large.jupyter.get("lake/many", type="directory").json()
    *entries, last = model["content"]
    assert 1000 <= len(entries) <= LISTED
    assert entries[0]["name"] == "000000.csv"
    assert f"only the first {len(entries):,} are listed" in model["message"]
    assert f"only the first {len(entries):,} are listed" in last["name"]
    assert large.proxy.requests.total() == len(entries) / 1000 <= LISTED / 1000
    assert large.memory() - before < 150 * MB, "all of it is more than a gigabyte"


def test_where_pages_come_slowly_fewer_are_asked_for(large):
    large.proxy.seconds_away = 0.3
    large.proxy.heal()
    try:
        model = large.jupyter.get("lake/many", type="directory").json()
    finally:
        large.proxy.seconds_away = 0.0
    assert "are listed; open others by their path" in model["message"]
    assert large.proxy.requests.total() <= 3 * SLOW


def test_the_rest_is_reached_by_name_and_by_how_names_begin(large):
    assert large.jupyter.get("lake/many/999999.csv").json()["content"] == "x"
    begun = large.jupyter.get("lake/many/9999*").json()
    assert [each["name"] for each in begun["content"]] == [f"9999{n:02}.csv" for n in range(100)]
    many = large.jupyter.get("lake/many/9*").json()
    assert many["content"][0]["name"] == "900000.csv"
    assert "are listed" in many["message"]
    assert large.jupyter.get("lake/many/x*").status_code == 404


def test_saves_copies_and_new_files_in_it_take_no_listing_of_it(large, body, keys):
    server = large.jupyter
    large.habit.pages = 0
    assert server.text("lake/many/new.txt", "one").status_code == 201
    assert server.text("lake/many/new.txt", "two").status_code == 200
    assert body("habari-lake", "many/new.txt") == b"two"
    made = server.call("POST", "lake/many", json={"type": "file", "ext": ".txt"})
    assert (made.status_code, made.json()["name"]) == (201, "untitled.txt")
    assert large.habit.pages <= 4
    assert "many/untitled.txt" in keys("habari-lake", "many/")


def test_a_free_name_among_a_million_is_found(large, s3, body):
    """All that begin like the copied file's name were listed: 504 after 15 s."""
    s3.put_object(Bucket="habari-lake", Key="one/9.csv", Body=b"nine")
    large.proxy.habit = LargeFolder("one/9", COUNT)
    large.proxy.heal()
    try:
        taken = large.jupyter.call("POST", "lake/one", json={"copy_from": "lake/one/9.csv"})
        same = large.jupyter.call("POST", "lake/one", json={"type": "file", "ext": ".csv"})
    finally:
        large.proxy.habit = large.habit
    assert taken.json()["name"] == "9-Copy1.csv", taken.text
    assert same.json()["name"] == "untitled.csv"
    assert body("habari-lake", "one/9-Copy1.csv") == b"nine"


def test_what_would_change_all_of_it_is_refused_and_keeps_no_save_out(large):
    """Three listings that took too long had the bucket left alone, for saves too."""
    server = large.jupyter
    large.habit.pages = 0
    refused = server.call("DELETE", "lake/many")
    assert (refused.status_code, "is not empty" in refused.text) == (400, True)
    assert large.habit.pages <= 2
    with ThreadPoolExecutor(3) as pool:
        for moved in pool.map(lambda n: server.move("lake/many", f"lake/more{n}"), range(3)):
            assert moved.status_code == 413, moved.text
            assert "has more objects than S3 lists within" in moved.json()["message"]
    assert server.text("lake/many/after.txt", "x").status_code == 201
