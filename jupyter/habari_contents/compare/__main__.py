"""`python -m compare FOLDER UV`: measure all four beside each other, write page and plot.

The others' environments are made in FOLDER by the uv at UV (`nox -s compare` has both).
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import boto3
import requests
from tests.servers import KEYS
from tests.stores import STORE, Store

from tests.faults import FaultProxy

from . import environments, losses, measures, table
from .contenders import BUCKETS, CONFIGURED, Contender

HERE = Path(__file__).parent
MEASURES = (
    measures.notebooks,
    measures.lists,
    measures.renamed,
    measures.far,
    measures.failing,
)
HEAD = """\
# This contents manager compared with others

`nox -s compare` generated this page. It runs real Jupyter servers, one after the other, on one S3
({store}, no network in between) on {cores} cores. The goals for open and save are relative to one
plain GET or PUT by aiobotocore; the disk column shows what the server itself costs with any
contents manager. A stall is the longest that the server took to answer a status request, sent
every 10 ms; a busy machine adds its own delays. In the rows "30 ms to S3" a proxy holds each
request that long. jupyter-fs has one file browser per bucket. During
a save of 30 MB, the server itself holds 95 MB before it calls a contents manager, and 125 MB a
moment before that: the body in pieces, joined, decoded, and parsed. JSON's encoder makes two more
copies.

{table}
![the same as a bar chart](compare.svg)

## What the others lose

The losses of `tests/losses.toml`, tested again in the same run. In this contents manager, the
tests that are named there prevent them.

{losses}"""


def main() -> None:
    """Measure and write."""
    os.environ.update(environments.made(Path(sys.argv[1]), sys.argv[2]))
    figures: dict[str, measures.Figures] = {}
    lost: dict[str, dict[int, str]] = {}
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        Path(folder, "s3").mkdir()
        store = Store(Path(folder, "s3")).ready()
        proxy = FaultProxy(store.port)
        s3 = client(store.port)
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket)
        for name in CONFIGURED:
            figures[name] = measures.started(name, Path(folder, f"{name}-start"), store.port)
            for measure in MEASURES:
                figures[name] |= measured(measure, measure.__name__, name, Path(folder), s3, proxy)
                sys.stderr.write(f"{name} {measure.__name__}: {figures[name]}\n")
            if name in environments.OTHERS:
                lost[name] = measured(
                    partial(tried, figures[name]), "losses", name, Path(folder), s3, proxy
                )
                sys.stderr.write(f"{name}: {lost[name]}\n")
        proxy.close()
        store.stop()
    drawn = table.markdown(figures)
    sys.stdout.write(drawn)
    page = HEAD.format(cores=os.cpu_count(), store=STORE, table=drawn, losses=table.losses(lost))
    (HERE.parent / "compare.md").write_text(page, encoding="utf-8")
    (HERE.parent / "compare.svg").write_text(table.svg(figures), encoding="utf-8")


def tried(figures: measures.Figures, server: Contender, s3, proxy: FaultProxy) -> dict[int, str]:
    """What the server loses; one that has hung by then is restarted."""
    servers = [server]

    def trial() -> losses.Trial:
        if not alive(servers[-1]):
            servers[-1].kill()
            folder = server.home.parent / f"again{len(servers)}"
            servers.append(Contender(server.name, folder, proxy.port).ready())
        return losses.Trial(servers[-1], s3, proxy, figures)

    found = losses.tried(trial, server.name)
    servers[-1].kill()
    return found


def alive(server: Contender) -> bool:
    """Whether it answers at all."""
    try:
        return server.call("GET", "", api="status", timeout=5).ok
    except requests.RequestException:
        return False


def measured(
    measure, label: str, name: str, folder: Path, s3, proxy: FaultProxy
) -> measures.Figures:
    """One measure of one contender, on a server of its own."""
    if name == "disk" and measure is measures.failing:
        return {}
    proxy.heal()
    server = Contender(name, folder / f"{name}-{label}", proxy.port).ready()
    try:
        return measure(server, s3, proxy)
    finally:
        proxy.heal()
        server.kill()  # one that hangs does not end when it is asked to


def client(port: int):
    """S3 itself, past proxy and servers."""
    keys = {name.lower(): value for name, value in KEYS.items()}
    return boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **keys
    )


if __name__ == "__main__":
    main()
