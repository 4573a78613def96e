"""`nox -s bench`: measure, print the table, write docs/reference/bench.md and its plot."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import baseline, ours, table
from tests.scratch import ROOT

HEAD = """\
# Bench

`nox -s bench` made this page: process mode beside the same parts started by hand (plain
`jupyterhub` with its proxy, dummy sign-in and local files, and `moto_server`), in one run, median
(min-max) of {runs} runs after one that is not counted, on {cores} cores, Python {python}.

{table}
![the same as bars](bench.svg)
"""


def main() -> None:
    """Measure and write; `--cold` measures the first run of a machine too."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="the first up, caches empty, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="habari-bench-") as folder:
        places = [Path(folder) / name for name in ("ours", "baseline", "cold")]
        for place in places:
            place.mkdir()
        mine = ours.measure(places[0], arguments.runs)
        theirs = baseline.measure(places[1], arguments.runs)
        mine[0].update(ours.suite())
        if arguments.cold:
            mine[0]["cold"] = ours.cold(places[2])
    drawn = table.markdown(mine, theirs)
    sys.stdout.write(drawn)
    page = HEAD.format(
        runs=arguments.runs,
        cores=os.cpu_count(),
        python=platform.python_version(),
        table=drawn,
    )
    target = ROOT / "docs" / "reference"
    (target / "bench.md").write_text(page, encoding="utf-8")
    (target / "bench.svg").write_text(table.svg(mine, theirs), encoding="utf-8")


if __name__ == "__main__":
    main()
