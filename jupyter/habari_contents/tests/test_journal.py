"""A server that is killed in the middle of a move: the next one undoes the move or finishes it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from pathlib import Path

import pytest
import requests
from habari_contents import recovery
from habari_contents.endpoints import DiskEndpoint
from habari_contents.journal import MoveRecord
from habari_contents.recovery import MoveRecovery

from .faults import FaultProxy
from .servers import Jupyter

LAKE, NOTEBOOKS = "habari-lake", "habari-notebooks"
FILES = [f"f{number}.txt" for number in range(6)]


@pytest.fixture
def own_proxy(s3_port):
    proxy = FaultProxy(s3_port)
    yield proxy
    proxy.close()


def killed_in_a_move(root, proxy, old: str, new: str, fault: tuple[int, str]) -> Jupyter:
    """Let a server hang in a move, kill it, and start another one on the same home."""
    victim = Jupyter(root, proxy.port).ready()
    # What a store does with conditions is asked with the first copy: it is not this move's.
    assert victim.text("lake/to-copy.txt", "x").ok
    assert victim.call("POST", "notebooks", json={"copy_from": "lake/to-copy.txt"}).ok
    proxy.heal()
    after, method = fault
    proxy.fail_after(after, "hang", method)

    def move() -> None:
        with contextlib.suppress(requests.RequestException):
            victim.move(old, new)

    moving = threading.Thread(target=move)
    moving.start()
    limit = time.monotonic() + 10
    while proxy.requests[method] <= after and time.monotonic() < limit:
        time.sleep(0.02)
    victim.kill()
    moving.join(15)
    proxy.heal()
    assert records(root), "the move was recorded"
    return Jupyter(root, proxy.port).ready()


def records(root) -> list:
    return list((root / "jupyter_data_dir" / "habari_contents" / "moves").glob("*.json"))


def settled(server: Jupyter, root) -> bool:
    """Ask as a browser does, and see whether the record is gone."""
    limit = time.monotonic() + 10
    while records(root) and time.monotonic() < limit:
        assert server.get("lake", type="directory").ok
        time.sleep(0.05)
    return not records(root)


@pytest.mark.parametrize("new", ["notebooks", "home"])
def test_move_killed_while_it_copied_is_undone(own_proxy, s3, keys, tmp_path, name, new):
    for file in FILES:
        s3.put_object(Bucket=LAKE, Key=f"{name}/{file}", Body=file.encode() * 500)
    fault = (2, "GET") if new == "home" else (2, "PUT")
    # A GET is a listing too: the first two are the stock of both ends.
    fault = (4, "GET") if new == "home" else fault
    server = killed_in_a_move(tmp_path, own_proxy, f"lake/{name}", f"{new}/{name}", fault)
    try:
        assert settled(server, tmp_path)
    finally:
        server.stop()
    assert [key.rsplit("/")[-1] for key in keys(LAKE, f"{name}/")] == FILES
    assert keys(NOTEBOOKS, f"team/one/{name}/") == []
    assert [f for f in (tmp_path / "home").rglob("*") if f.is_file() and name in str(f)] == []


def test_move_killed_while_it_deleted_is_finished(own_proxy, s3, keys, tmp_path, name):
    for file in FILES:
        s3.put_object(Bucket=LAKE, Key=f"{name}/{file}", Body=file.encode())
    server = killed_in_a_move(
        tmp_path, own_proxy, f"lake/{name}", f"notebooks/{name}", (0, "DELETE")
    )
    try:
        assert settled(server, tmp_path)
    finally:
        server.stop()
    assert keys(LAKE, f"{name}/") == []
    assert [key.rsplit("/")[-1] for key in keys(NOTEBOOKS, f"team/one/{name}/")] == FILES


def test_mistake_in_a_recovery_is_logged_and_tried_again(tmp_path, monkeypatch, caplog):
    """It ended the recovery of all moves, of all later requests, and nobody was told."""
    monkeypatch.setattr(recovery, "RETRY_SECONDS", 0.0)
    facts = {"source": "lake/a", "target": "lake/b", "items": [], "made": None}
    for record in ("1.json", "2.json"):
        (tmp_path / record).write_text(json.dumps(facts) + "\n")
    mistakes = [RuntimeError("mistake")]

    def endpoint(path: str) -> DiskEndpoint:
        if mistakes:
            raise mistakes.pop()
        return DiskEndpoint(tmp_path / "none", path)

    async def ask_until_settled() -> None:
        moves = MoveRecovery(tmp_path, endpoint, logging.getLogger("test"))
        async with asyncio.timeout(10):
            while list(tmp_path.glob("*.json")):
                moves.schedule()
                await asyncio.sleep(0)

    asyncio.run(ask_until_settled())
    assert "RuntimeError: mistake" in caplog.text
    assert caplog.text.count("was undone") == 2


def test_disk_that_takes_no_more_of_the_record_stops_no_move(tmp_path):
    with Path("/dev/full").open("w") as full:
        record = MoveRecord(full, tmp_path / "none", {})
        asyncio.run(record.mark_copied([]))
        record.remove()
