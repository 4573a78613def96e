"""The 24 losses of tests/losses.toml, tried on a contender: does it lose anything?"""

from __future__ import annotations

from collections.abc import Callable

import requests
from tests.servers import KEYS, notebook

from .contenders import BUCKETS, Contender
from .measures import save
from .table import LOSSES
from .trial import Trial

Check = Callable[[Trial], bool]
CHECKS: dict[int, Check] = {}
STALLED = 2.0
# What is seen in a figure that was measured before.
MEASURED = {2: "list_calls", 6: "rename_stall", 19: "hang"}


def loss(number: int) -> Callable[[Check], Check]:
    """Name the check of a loss."""

    def named(check: Check) -> Check:
        CHECKS[number] = check
        return check

    return named


@loss(1)
def _unmarked_folder(t: Trial) -> bool:
    t.put(f"{t.name}/f.txt")
    return t.name not in t.server.names(t.at(""))


@loss(2)
def _a_call_for_each(t: Trial) -> bool:
    return t.figures["list_calls"] > 50


def _gone_on_both_sides(t: Trial, area: str) -> bool:
    t.server.put(t.at(t.name), {"type": "directory"})
    t.server.text(t.at(f"{t.name}/f.txt"), t.name)
    t.server.call("PATCH", t.at(t.name), json={"path": t.at(f"{t.name}-2", area)})
    here = t.keys(f"{t.name}/f.txt") + t.keys(f"{t.name}-2/f.txt", BUCKETS["notebooks"])
    return not here and not (t.server.home / f"{t.name}-2" / "f.txt").exists()


@loss(3)
def _moved_to_a_bucket(t: Trial) -> bool:
    return _gone_on_both_sides(t, "notebooks")


@loss(4)
def _moved_home(t: Trial) -> bool:
    return _gone_on_both_sides(t, "home")


@loss(5)
def _moved_onto_another(t: Trial) -> bool:
    t.server.text(t.at(f"{t.name}.txt"), "mine")
    t.server.text(t.at(f"{t.name}.txt", "notebooks"), "theirs")
    path = t.at(f"{t.name}.txt", "notebooks")
    t.server.call("PATCH", t.at(f"{t.name}.txt"), json={"path": path})
    kept = t.s3.get_object(Bucket=BUCKETS["notebooks"], Key=f"{t.name}.txt")["Body"].read()
    return kept != b"theirs"


@loss(6)
def _frozen_by_a_rename(t: Trial) -> bool:
    return t.figures["rename_stall"] > STALLED


@loss(7)
def _rename_of_nothing(t: Trial) -> bool:
    t.put(f"{t.name}/f.txt")
    told = t.server.move(t.at(t.name), t.at(f"{t.name}-2"))
    return told.ok and not t.keys(f"{t.name}-2/f.txt")


@loss(8)
def _half_an_upload(t: Trial) -> bool:
    content = bytes(range(256)) * 12_000
    told = t.server.upload(t.at(f"{t.name}.bin"), content, 1024 * 1024)
    return told.ok and t.body(f"{t.name}.bin") != content


@loss(9)
def _other_names(t: Trial) -> bool:
    t.server.text(t.at(f"{t.name} a.txt"), "x")
    return t.keys(t.name) != [f"{t.name} a.txt"]


@loss(10)
def _own_buckets_name(t: Trial) -> bool:
    t.server.text(t.at(f"habari-lake/{t.name}.txt"), "x")
    return not t.keys(f"habari-lake/{t.name}.txt")


@loss(11)
def _other_buckets_name(t: Trial) -> bool:
    t.s3.create_bucket(Bucket="habari-lake-other")
    t.server.text(t.at(f"habari-lake-other/{t.name}.txt"), "x")
    return bool(t.keys(f"{t.name}.txt", "habari-lake-other"))


@loss(12)
def _stale_save(t: Trial) -> bool:
    path = t.at(f"{t.name}.ipynb")
    save(t.server, path, notebook("one"))
    t.server.get(path, content=1)
    t.put(f"{t.name}.ipynb", b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return save(t.server, path, notebook("two")).ok


@loss(13)
def _no_hash(t: Trial) -> bool:
    t.server.text(t.at(f"{t.name}.txt"), "x")
    return not t.server.get(t.at(f"{t.name}.txt"), content=0, hash=1).json().get("hash")


def _restored(t: Trial, *areas: str) -> bytes:
    """What the lake's notebook is after its checkpoint was restored."""
    for area in areas:
        path = t.at(f"{t.name}.ipynb", area)
        save(t.server, path, notebook(f"kept in {area}"))
        t.server.call("POST", f"{path}/checkpoints")
    path = t.at(f"{t.name}.ipynb")
    t.server.get(path)
    save(t.server, path, notebook("changed"))
    kept = t.server.call("GET", f"{path}/checkpoints").json()
    name = kept[0]["id"] if kept else "checkpoint"
    t.server.call("POST", f"{path}/checkpoints/{name}")
    return t.body(f"{t.name}.ipynb")


@loss(14)
def _shared_checkpoints(t: Trial) -> bool:
    return b"kept in home" in _restored(t, "lake", "home")


@loss(15)
def _no_checkpoint(t: Trial) -> bool:
    return b"kept in lake" not in _restored(t, "lake")


@loss(16)
def _refused(t: Trial) -> bool:
    answer, passed, stall = t.failing("refuse")
    return answer is None or passed > 5 or stall > STALLED or "127.0.0.1" in answer.text


@loss(17)
def _secret_told(t: Trial) -> bool:
    told = t.server.http.get(f"{t.server.url}/jupyterfs/resources", timeout=10).text
    return KEYS["AWS_SECRET_ACCESS_KEY"] in told


@loss(18)
def _too_busy(t: Trial) -> bool:
    answer, passed, stall = t.failing("slow-down")
    return answer is None or passed > 10 or stall > STALLED


@loss(19)
def _hanging(t: Trial) -> bool:
    return t.figures["hang"] > 60 or t.figures["hang_stall"] > STALLED


@loss(20)
def _forbidden(t: Trial) -> bool:
    t.put(f"{t.name}.txt")
    t.proxy.fail("forbid")
    told = t.server.get(t.at(f"{t.name}.txt"), type="file", content=1, timeout=60)
    t.proxy.heal()
    return told.status_code != 403


@loss(21)
def _no_start(t: Trial) -> bool:
    return any(_no_start_while(t, mode) for mode in ("refuse", "hang"))


def _no_start_while(t: Trial, mode: str) -> bool:
    t.proxy.fail(mode)
    server = Contender(t.server.name, t.server.home.parent / f"{t.name}-{mode}", t.proxy.port)
    try:
        return not server.ready().text("home.txt", "x").ok
    except (AssertionError, requests.RequestException):
        return True
    finally:
        t.proxy.heal()
        server.kill()


@loss(22)
def _writes_at_a_start(t: Trial) -> bool:
    marks = {".s3keep", "/.s3keep"}
    for mark in marks:  # another contender's
        t.s3.delete_object(Bucket=BUCKETS["lake"], Key=mark)
    server = Contender(t.server.name, t.server.home.parent / f"{t.name}-start", t.proxy.port)
    try:
        server.ready().get("")
        return not marks.isdisjoint(t.keys(".") + t.keys("/"))
    finally:
        server.kill()


@loss(23)
def _no_download(t: Trial) -> bool:
    t.put(f"{t.name}.txt", b"content")
    try:
        url = f"{t.server.url}/files/{t.at(f'{t.name}.txt')}"
        return t.server.http.get(url, timeout=20).content != b"content"
    except requests.RequestException:
        return True


@loss(24)
def _other_bytes(t: Trial) -> bool:
    save(t.server, t.at(f"{t.name}.ipynb"), notebook("ä"))
    stored = t.body(f"{t.name}.ipynb")
    return not stored.endswith(b"}\n") or "ä".encode() not in stored


def tried(trial: Callable[[], Trial], name: str) -> dict[int, str]:
    """What came of each check: `loses`, `no`, or why it could not be tried.

    In brackets what tests/losses.toml says, where that is otherwise.
    """
    found = {}
    for entry in LOSSES:
        number, expected = entry["number"], name in entry["library"]
        each = trial()
        if number in MEASURED and MEASURED[number] not in each.figures:
            found[number] = "not measured"
            continue
        try:
            lost = CHECKS[number](each)
        except Exception as error:  # noqa: BLE001 - whatever a contender does
            found[number] = f"fails ({type(error).__name__})"
            continue
        found[number] = "loses" if lost else "no"
        if lost != expected:
            found[number] += " (measured otherwise before)"
    return found
