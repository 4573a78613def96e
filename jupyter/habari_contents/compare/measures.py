"""What is measured of a contender: each row a function, from what is there to its figures."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import requests
from tests.servers import KEYS, notebook

from tests.faults import FaultProxy

from .contenders import BUCKETS, Contender

Figures = dict[str, float]
LIMIT = 60.0
ROUND_TRIP = 0.03
NOTEBOOK = notebook("a line of text about nothing in particular\n" * 700)  # about 30 kB
LARGE = notebook("x" * 30_000_000)


class Watch:
    """How long the server's own answer took at worst, and the memory it had at most, meanwhile."""

    def __init__(self, server: Contender) -> None:
        self._server = server
        self._ended = threading.Event()
        self._process = psutil.Process(server.process.pid)
        self.before = self._process.memory_info().rss / 1e6
        self.peak, self.stall = self.before, 0.0

    def __enter__(self) -> Watch:
        self._threads = [threading.Thread(target=t) for t in (self._pinging, self._weighing)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _pinging(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers.update(self._server.http.headers)
            while not self._ended.wait(0.01):
                began = time.perf_counter()
                with suppress(requests.RequestException):
                    session.get(f"{self._server.url}/api/status", timeout=LIMIT)
                self.stall = max(self.stall, time.perf_counter() - began)

    def _weighing(self) -> None:
        while not self._ended.wait(0.005):
            self.peak = max(self.peak, self._process.memory_info().rss / 1e6)


def seconds(work: Callable[[], object]) -> float:
    """How long the work took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def middle(work: Callable[[], object], times: int = 15) -> float:
    """The median of some times, after one that is not counted."""
    work()
    return statistics.median(seconds(work) for _ in range(times))


def save(server: Contender, path: str, content: dict) -> requests.Response:
    """Save a notebook, whatever comes of it, for as long as it takes."""
    model = {"type": "notebook", "format": "json", "content": content}
    return server.call("PUT", path, json=model, timeout=LIMIT)


def put(server: Contender, s3, path: str, content: bytes = b"x") -> None:
    """Write past the server: into the lake, or into the folder of that name on the disk."""
    if server.name == "disk":
        file = server.home / "lake" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    else:
        s3.put_object(Bucket=BUCKETS["lake"], Key=path, Body=content)


def put_all(server: Contender, s3, paths: list[str]) -> None:
    """Write many, eight at once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: put(server, s3, path), paths))


def listing(server: Contender, path: str) -> None:
    """List a folder as a file browser does."""
    server.call("GET", path, params={"content": 1, "type": "directory"}, timeout=LIMIT)


def lists(server: Contender, s3, proxy: FaultProxy) -> Figures:
    """100 files and 100 folders; then 10,000 objects in one folder."""
    put_all(server, s3, [f"few/{n}.txt" for n in range(100)] + [f"few/{n}/x" for n in range(100)])
    path = server.at("lake", "few")
    listing(server, path)
    proxy.requests.clear()
    listing(server, path)
    figures = {"list_calls": float(proxy.requests.total())}
    figures["list"] = middle(lambda: listing(server, path), 5)
    many = s3.list_objects_v2(Bucket=BUCKETS["lake"], Prefix="many/9999", MaxKeys=1)
    if server.name == "disk" or not many["KeyCount"]:
        put_all(server, s3, [f"many/{number}" for number in range(10_000)])
    if server.name == "ours":
        figures["list_many_store"] = seconds(lambda: asyncio.run(plain_listing(proxy.port)))
    figures["list_many"] = LIMIT
    with suppress(requests.RequestException):
        figures["list_many"] = seconds(lambda: listing(server, server.at("lake", "many")))
    return figures


def notebooks(server: Contender, _s3, proxy: FaultProxy) -> Figures:
    """A notebook of 30 kB opened and saved, and one of 30 MB saved."""
    path = server.at("lake", "n.ipynb")
    save(server, path, NOTEBOOK)
    figures = {
        "save": middle(lambda: save(server, path, NOTEBOOK)),
        "open": middle(lambda: server.get(path, content=1)),
    }
    if server.name == "ours":
        figures |= by_aiobotocore(proxy.port)
    with Watch(server) as watch:
        figures["save_large"] = seconds(lambda: save(server, server.at("lake", "l.ipynb"), LARGE))
    return figures | {"memory_large": watch.peak - watch.before}


def renamed(server: Contender, s3, _proxy: FaultProxy) -> Figures:
    """A folder of 1,500 files."""
    put_all(server, s3, [f"{server.name}/{number}.txt" for number in range(1500)])
    old, new = server.at("lake", server.name), server.at("lake", f"{server.name}-2")
    with Watch(server) as watch:
        figures = {"rename": LIMIT}
        with suppress(requests.RequestException):
            figures["rename"] = seconds(
                lambda: server.call("PATCH", old, json={"path": new}, timeout=LIMIT)
            )
    moved = len(list((server.home / "lake" / f"{server.name}-2").glob("*")))
    if server.name != "disk":
        pages = s3.get_paginator("list_objects_v2")
        prefix = f"{server.name}-2/"
        for page in pages.paginate(Bucket=BUCKETS["lake"], Prefix=prefix):
            moved += len(page.get("Contents", ()))
    return figures | {"rename_stall": watch.stall, "rename_moved": float(moved)}


def far(server: Contender, s3, proxy: FaultProxy) -> Figures:
    """What people do most, where each request to S3 takes 30 ms; and what a large save stalls."""
    put_all(server, s3, [f"{server.name}-far/{number}.txt" for number in range(200)])
    put_all(server, s3, [f"{server.name}-day/list/{number}.txt" for number in range(5)])
    numbers, new = itertools.count(), lambda: f"{server.name}-day/f{next(numbers)}.txt"

    def at(path: str) -> str:
        return server.at("lake", path)

    def put_new() -> str:
        path = new()
        server.text(at(path), "x")
        return path

    def over_what_is_there(work: Callable[[str], object]) -> float:
        """The median of one call on a file each, which is made before and not counted."""
        taken = []
        for _ in range(6):
            path = put_new()
            taken.append(seconds(lambda each=path: work(each)))
        return statistics.median(taken[1:])

    proxy.seconds_away = ROUND_TRIP
    try:
        figures = {
            "far_rename": over_what_is_there(
                lambda path: server.call("PATCH", at(path), json={"path": at(new())})
            ),
            "far_duplicate": over_what_is_there(
                lambda path: server.call(
                    "POST", at(f"{server.name}-day"), json={"copy_from": at(path)}
                )
            ),
            "far_folder": middle(
                lambda: server.call("POST", at(f"{server.name}-day"), json={"type": "directory"}), 5
            ),
            "far_delete": over_what_is_there(lambda path: server.call("DELETE", at(path))),
            "far_save": over_what_is_there(lambda path: server.text(at(path), "y")),
            "far_new": middle(put_new, 5),
            "far_list": middle(lambda: listing(server, at(f"{server.name}-day/list")), 5),
            "far_rename_folder": LIMIT,
        }
        old, renamed_to = at(f"{server.name}-far"), at(f"{server.name}-far-2")
        with suppress(requests.RequestException):
            figures["far_rename_folder"] = seconds(
                lambda: server.call("PATCH", old, json={"path": renamed_to}, timeout=LIMIT)
            )
    finally:
        proxy.seconds_away = 0.0
    return figures | {"large_stall": large_stall(server, at(f"{server.name}-large.ipynb"))}


def large_stall(server: Contender, path: str) -> float:
    """The median of the longest silences of the server while a large notebook is saved."""
    stalls = []
    for _ in range(3):
        with Watch(server) as watch:
            save(server, path, LARGE)
        stalls.append(watch.stall)
    return statistics.median(stalls)


def failing(server: Contender, _s3, proxy: FaultProxy) -> Figures:
    """A save while S3 refuses, and while it hangs."""
    figures = {}
    for mode in ("refuse", "hang"):
        proxy.fail(mode)
        with Watch(server) as watch, suppress(requests.RequestException):
            figures[mode] = LIMIT
            figures[mode] = seconds(
                lambda: save(server, server.at("lake", "failing.ipynb"), NOTEBOOK)
            )
        figures[f"{mode}_stall"] = watch.stall
        proxy.heal()
        time.sleep(3.2)
    return figures


def started(name: str, folder: Path, port: int) -> Figures:
    """What its contents manager adds to the start of a plain server, and to that one's memory."""
    taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for turn in range(4):
        for plain in (True, False):
            server = Contender(name, folder / f"{turn}{plain}", port, plain=plain).ready()
            server.get("")
            process = psutil.Process(server.process.pid)
            # Of the processor: how long it takes depends on what else the machine does.
            passed = process.cpu_times().user + process.cpu_times().system
            memory = process.memory_info().rss / 1e6
            server.stop()
            if turn:
                taken[plain].append((passed, memory))
    plain, with_it = (
        [statistics.median(column) for column in zip(*taken[kind], strict=True)]
        for kind in (True, False)
    )
    return {"start": with_it[0] - plain[0], "start_memory": with_it[1] - plain[1]}


def aiobotocore(port: int):
    """A client of aiobotocore as it is, without any server."""
    from aiobotocore.session import get_session

    key, secret = KEYS.values()
    where = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return get_session().create_client("s3", **where, **keys)


async def plain_listing(port: int) -> None:
    """List the folder of 10,000 objects: what the store itself takes, and reading its answers."""
    async with aiobotocore(port) as client:
        pages = client.get_paginator("list_objects_v2")
        async for _ in pages.paginate(Bucket=BUCKETS["lake"], Prefix="many/", Delimiter="/"):
            pass


def by_aiobotocore(port: int) -> Figures:
    """One plain GET and PUT of the bytes of the notebook of 30 kB, without any server."""
    at = {"Bucket": BUCKETS["lake"], "Key": "n.ipynb"}

    async def both() -> Figures:
        puts, gets = [], []
        async with aiobotocore(port) as client:
            for _ in range(16):
                began = time.perf_counter()
                await client.put_object(**at, Body=b"x" * 30_000)
                puts.append(time.perf_counter() - began)
                began = time.perf_counter()
                await (await client.get_object(**at))["Body"].read()
                gets.append(time.perf_counter() - began)
        return {
            "plain_save": statistics.median(puts[1:]),
            "plain_open": statistics.median(gets[1:]),
        }

    return asyncio.run(both())
