"""`python -m bench.kind`: mode kind beside the same steps typed by hand; its page and plot."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import kind_by_hand, kind_edits
from bench.client import Hub
from bench.ours import Figures, timed
from bench.phases import Phase, svg
from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from tests.e2e.endpoints import parse
from tests.e2e.hub_client import sign_in
from tests.runnable_modes import missing
from tests.scratch import ROOT, Scratch, scratch_checkout

ROWS = (
    ("up", "nothing running → a user can sign in", 40.0),
    ("first", "… → the first server runs, notebook image not on the node", 55.0),
    ("again", "stopped cluster → a user can sign in", 25.0),
    ("value", "a value changed → in force", 12.0),
    ("build", "one line changed in jupyter/: the image build", None),
    ("edit", "… then → a new pod has it", 10.0),
    *kind_edits.ROWS,
    ("spawn", "spawn, image there", 5.0),
    ("suite", "suite in kind, its up and down included", 180.0),
    ("memory", "memory of all, no user (MB)", 2500.0),
    ("second", "`up` again, nothing to do", None),
    ("down", "`down`", None),
)
HEAD = """\
# Bench of mode kind

`python -m bench.kind` made this page: chart {chart}, seconds as median (min-max) of {runs} runs on
{cores} cores, images built, the registry filled. By hand is what one would type, one after the
other: `kind create cluster`, `kind load docker-image`, `kubectl apply`, `helm install --wait`, then
ask until a user can sign in; with the files that `up` rendered, on the same node image.

| what | ours | by hand | goal |
|---|---|---|---|
"""
STEP = re.compile(r"\[(\d+)/\d+\] (?P<title>[^:]+): (?!FAILED)(?P<said>.*) \((?P<s>\d+\.\d) s\)$")


def brought_up(scratch: Scratch) -> tuple[float, list[Phase]]:
    """Bring it up and sign somebody in; return the seconds and what took them."""
    began = time.perf_counter()
    phases = []
    with scratch.start("up", "--mode", "kind") as up:
        for line in up.stdout or ():
            ended = time.perf_counter() - began
            told = STEP.match(line.strip())
            if told:
                seconds = float(told["s"])
                phases.append(Phase(told["title"], ended - seconds, ended, told["said"]))
    if up.returncode:
        sys.exit("up failed")
    sign_in(parse(scratch.good("endpoints"), "habari-local endpoints"), "grace")
    return time.perf_counter() - began, phases


def memory(scratch: Scratch) -> float:
    """Return the memory of the node and the registry in MB, as their cgroups count it."""
    ids = [each.id for each in kind.find_nodes(f"habari-{scratch.id}")]
    ids += [each.id for each in scratch.containers("kind")]
    return sum(docker_client.memory(each) or 0 for each in ids) / 1e6


def edited(scratch: Scratch) -> tuple[float, float]:
    """Change a line of jupyter/; return the seconds of the build, and until a pod has it."""
    file = scratch.root / "jupyter" / "habari_contents" / "habari_contents" / "errors.py"
    file.write_text(file.read_text() + f"# {time.time()}\n")
    build = timed(scratch, "image", "build", "notebook")
    began = time.perf_counter()
    scratch.good("up")
    hub_of(scratch).spawn("grace")
    return build, time.perf_counter() - began


def hub_of(scratch: Scratch) -> Hub:
    """Return the hub's API with the tool's token."""
    where = scratch.endpoints()
    return Hub(where["hub_url"], where["hub_api_token"])


def one_run(scratch: Scratch, number: int) -> tuple[Figures, list[Phase]]:
    """Measure one life of a cluster, from nothing to nothing."""
    began = time.perf_counter()
    up, phases = brought_up(scratch)
    hub = hub_of(scratch)
    hub.spawn("grace")
    found = {"up": up, "first": time.perf_counter() - began}
    hub.stop("grace")
    found["spawn"] = hub.spawn("grace")
    hub.stop("grace")
    found["memory"] = memory(scratch)
    found["second"] = timed(scratch, "up")
    found["value"] = timed(scratch, "up", "--set", f"HABARI_ALLOWED_USERS=grace,linus,u{number}")
    found["build"], found["edit"] = edited(scratch)
    hub_of(scratch).stop("grace")
    found["down"] = timed(scratch, "down")
    found["again"] = brought_up(scratch)[0]
    found |= kind_edits.measured(scratch, 1)[0]
    return found, phases


def suite() -> Figures:
    """Run the end-to-end suite in this checkout, from a cluster that is not running."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "habari_local", "e2e", "--mode", "kind", "--strict"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return {"suite": time.perf_counter() - began}


def page(chart: str, ours: list[Figures], by_hand: list[Figures]) -> str:
    """Return the table as Markdown."""
    lines = [HEAD.format(chart=chart, runs=len(ours), cores=os.cpu_count())]
    for key, title, goal in ROWS:
        shown = [_shown([each[key] for each in runs if key in each]) for runs in (ours, by_hand)]
        if shown[0]:
            wanted = f"≤ {goal:g}" if goal else ""
            lines.append(f"| {title} | {shown[0]} | {shown[1]} | {wanted} |\n")
    return "".join([*lines, "\n![what a bring-up from nothing waits for](bench-kind.svg)\n"])


def _shown(values: list[float]) -> str:
    if not values:
        return ""
    digits = 0 if max(values) >= 100 else 1
    middle, least, most = (f"{f(values):.{digits}f}" for f in (median, min, max))
    return middle if len(values) == 1 else f"{middle} ({least}-{most})"


def main() -> None:
    """Measure, print, write docs/reference/bench-kind.md and its plot."""
    parser = argparse.ArgumentParser(prog="bench.kind")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--suite", action="store_true", help="the end-to-end suite too")
    arguments = parser.parse_args()
    reason = missing("kind")
    if reason:
        sys.exit(reason)
    ours: list[Figures] = []
    by_hand: list[Figures] = []
    phases: list[Phase] = []
    with (
        tempfile.TemporaryDirectory(prefix="habari-bench-") as folder,
        scratch_checkout(Path(folder)) as scratch,
    ):
        brought_up(scratch)  # fills the registry
        for number in range(arguments.runs):
            scratch.good("down", "--wipe", "--yes")
            found, phases = one_run(scratch, number)
            ours.append(found)
            by_hand.append(kind_by_hand.measure(scratch))
        chart = kind_by_hand.chart(scratch)
    if arguments.suite:
        ours[0].update(suite())
    drawn = page(chart, ours, by_hand)
    sys.stdout.write(drawn)
    target = ROOT / "docs" / "reference"
    (target / "bench-kind.md").write_text(drawn, encoding="utf-8")
    (target / "bench-kind.svg").write_text(svg(phases), encoding="utf-8")


if __name__ == "__main__":
    main()
