"""`python -m compare.large_folder`: time and memory to the first answer of folders of any size.

A real server, and a store whose large folder is computed: 0.1 s a page of 1,000, as AWS takes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

import boto3
from tests.habits import LargeFolder
from tests.servers import KEYS, Jupyter
from tests.stores import Store

from tests.faults import FaultProxy

from .measures import Watch, seconds

COUNTS = (10_000, 100_000, 1_000_000)
RUNS = 5
SECONDS_A_PAGE = 0.1
BUCKET = "habari-lake"
TARGET = Path(__file__).parents[1] / "large-folder.md"
HEAD = """\
# Folders of up to a million objects

`nox -s compare` made this page: a real Jupyter server on {cores} cores, median (min-max) of {runs}
openings of a folder, at a store that takes {page} s for each page of 1,000, as AWS does about. The
folder is computed, so that there can be a million of them: `tests/habits/large_folder.py`. Memory
is what the server's process had more at most, while it answered, than before the first opening.
A listing that has only a part of the folder says so, and how to reach the rest.

| objects | first answer (s) | goal (s) | entries in it | partial | requests | memory (MB) |
|---|---|---|---|---|---|---|
"""


def row(count: int, folder: Path, store: Store) -> str:
    """Open a folder of that size, some times, by a server of its own."""
    proxy = FaultProxy(store.port)
    proxy.habit, proxy.seconds_away = LargeFolder("many/", count), SECONDS_A_PAGE
    # The deadlines are the package's own.
    server = Jupyter(folder, proxy.port, "--HabariContentsManager.look_seconds=4").ready()
    try:
        server.get("lake", type="directory").raise_for_status()
        took, answers = [], []
        with Watch(server) as watch:
            for _ in range(RUNS):
                proxy.heal()
                took.append(
                    seconds(lambda: answers.append(server.get("lake/many", type="directory")))
                )
        model = answers[-1].json()
    finally:
        server.stop()
        proxy.close()
    partial = "are listed" in model.get("message", "")
    entries = len(model["content"]) - partial
    time = f"{statistics.median(took):.2f} ({min(took):.2f}-{max(took):.2f})"
    memory = f"{watch.peak - watch.before:.0f}"
    said = "yes, and says so" if partial else "no"
    asked = proxy.requests.total()
    return f"| {count:,} | {time} | ≤ 2 | {entries:,} | {said} | {asked} | {memory} |\n"


def main() -> None:
    """Measure, print and write the page."""
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place) / "s3").ready()
        try:
            client = boto3.client(
                "s3",
                endpoint_url=f"http://127.0.0.1:{store.port}",
                region_name="us-east-1",
                aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            )
            client.create_bucket(Bucket=BUCKET)
            rows = [row(count, Path(place) / str(count), store) for count in COUNTS]
        finally:
            store.stop()
    head = HEAD.format(cores=os.cpu_count(), runs=RUNS, page=SECONDS_A_PAGE)
    page = head + "".join(rows)
    sys.stdout.write(page)
    TARGET.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
