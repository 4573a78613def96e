"""`python -m bench.production`: how long one waits for what production is changed by; its page.

On a cluster of others, which mode kind makes for it; and the drills, on platforms of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.ours import timed
from tests.rehearsals import test_tenants as tenants
from tests.rehearsals.external_cluster import (
    Foreign,
    foreign,
    good,
    leading_to,
    trial_values,
    write,
)
from tests.rehearsals.rotation import rotated
from tests.runnable_modes import missing
from tests.scratch import ROOT, Scratch, scratch_checkout

HEAD = """\
# Bench of what changes production

`python -m bench.production` made this page, of commit {commit} on {cores} cores: seconds, each with
the start of the tool, median (min-max) of {runs} runs where more than one was made. The cluster is
kind's on the same machine, with the chart {chart}.

| what | found | goal |
|---|---|---|
"""
ROWS = {
    "check": ("`config check --no-evaluate`", "≤ 1"),
    "evaluate": ("`config check`, which renders and loads the values", "≤ 3"),
    "plan": ("`up --mode cluster --plan` on a live cluster", "≤ 5"),
    "push": ("`image push` of an image that is there", "≤ 2"),
    "tenant": ("a second tenant on a running cluster: `tenant up`", "≤ 40"),
    "backup": ("`backup create` in kind, three people", ""),
    "restore": ("`backup restore` there", ""),
    "drill_restore": ("`drill restore` in kind, whole", ""),
    "drill_upgrade": ("`drill upgrade` in kind, whole", "≤ 240"),
}


def measured(runs: int) -> tuple[dict[str, list[float]], list[str], str]:
    """Return seconds by row, what was heard of saves during a rotation, and the chart."""
    with (
        tempfile.TemporaryDirectory(prefix="habari-bench-") as one,
        tempfile.TemporaryDirectory(prefix="habari-bench-") as other,
        foreign(Path(one)) as cluster,
        scratch_checkout(Path(other)) as scratch,
    ):
        scratch.settings |= leading_to(cluster)
        write(scratch, trial_values(cluster))
        good(scratch, "up")
        good(scratch, "up")
        trial = ("--mode", "cluster", "--context", "trial", "--namespace", "trial", "--plan")
        found = {
            "check": [checked(scratch, "--no-evaluate") for _ in range(runs)],
            # The first makes the hub's environment.
            "evaluate": [checked(scratch) for _ in range(runs + 1)][1:],
            "plan": [timed(scratch, "up", *trial) for _ in range(runs)],
            "push": pushed(cluster, scratch, runs),
            "tenant": [second_tenant(cluster, scratch)],
        }
        heard = rotated(cluster, scratch).heard
        now = cluster.release("trial").status()
        return found, heard, now.chart if now else ""


def checked(scratch: Scratch, *options: str) -> float:
    """Return the seconds of a check, whose verdict on a trial's values is no matter."""
    began = time.perf_counter()
    scratch.call("config", "check", *options)
    return time.perf_counter() - began


def pushed(of: Foreign, scratch: Scratch, runs: int) -> list[float]:
    """Push the notebook image into the registry beside the cluster, then again and again."""
    port = of.maker.offset + 5001
    words = ("image", "push", "notebook", "--to", f"localhost:{port}/bench", "--dirty")
    scratch.good(*words)
    return [timed(scratch, *words) for _ in range(runs)]


def second_tenant(of: Foreign, scratch: Scratch) -> float:
    """Bring a tenant up beside another one."""
    tenants.write(scratch, "base.yaml", trial_values(of))
    seconds = 0.0
    for name in tenants.PORTS:
        tenants.prepare(of, scratch, name)
        seconds = timed(scratch, "tenant", "up", name, *tenants.TO)
    return seconds


def drilled(*words: str) -> dict[str, Any]:
    """Run a drill of this checkout; return what it told."""
    command = [sys.executable, "-m", "habari_local", "drill", *words, "--mode", "kind", "--json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page(found: dict[str, list[float]], heard: list[str], chart: str, runs: int) -> str:
    """Return the table as Markdown."""
    about = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(about, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [HEAD.format(commit=commit.strip(), cores=os.cpu_count(), runs=runs, chart=chart)]
    for key, (title, goal) in ROWS.items():
        values = found[key]
        digits = 2 if max(values) < 10 else 0
        middle, least, most = (f"{f(values):.{digits}f}" for f in (median, min, max))
        shown = middle if len(values) == 1 else f"{middle} ({least}-{most})"
        lines.append(f"| {title} | {shown} | {goal} |\n")
    failed = sum(each != "saved" for each in heard)
    title = "saves that failed while the servers' key was rotated, at five a second"
    lines.append(f"| {title} | {failed} of {len(heard)} | 0 |\n")
    return "".join(lines)


def main() -> None:
    """Measure, print, write docs/reference/bench-production.md."""
    parser = argparse.ArgumentParser(prog="bench.production")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--from", dest="reference", default="HEAD~1", help="of drill upgrade")
    arguments = parser.parse_args()
    reason = missing("kind")
    if reason:
        sys.exit(reason)
    found, heard, chart = measured(arguments.runs)
    restore = drilled("restore")
    found |= {name: [restore[name]] for name in ("backup", "restore")}
    found["drill_restore"] = [restore["seconds"]]
    found["drill_upgrade"] = [drilled("upgrade", "--from", arguments.reference)["seconds"]]
    drawn = page(found, heard, chart, arguments.runs)
    sys.stdout.write(drawn)
    (ROOT / "docs" / "reference" / "bench-production.md").write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
