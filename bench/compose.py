"""`python -m bench.compose`: the Compose modes beside plain Compose with the same files."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

from bench.client import Hub
from bench.ours import Figures, edit, slowest, timed
from tests.runnable_modes import missing
from tests.scratch import ROOT, Scratch, scratch_checkout

ROWS = (
    ("hub_up", "`up --mode hub` → all answer", 9.0),
    ("hub_plain", "… plain `docker compose up --wait` of the same files", None),
    ("hub_second_up", "… a second `up`", 1.0),
    ("hub_shells", "… from ten shells, the slowest", 1.0),
    ("hub_status", "`status` of it, one server running", 0.5),
    ("spawn", "spawn by DockerSpawner", 4.0),
    ("hub_edit", "edit in hub/ → the hub answers with it (`--watch`)", 4.0),
    ("hub_down", "`down` of it, one server running", 8.0),
    ("nohub_up", "`up --mode nohub` → Lab answers", 5.0),
    ("nohub_plain", "… plain `docker compose up --wait` of the same files", None),
    ("edit", "edit in jupyter/ → in effect in nohub (`--watch`)", 2.0),
    ("nohub_down", "`down` of it", 8.0),
)
HEAD = """\
# Bench of the Compose modes

`python -m bench.compose` made this page: seconds, median (min-max) of {runs} runs after one that is
not counted, images there, on {cores} cores.

| what | ours | goal |
|---|---|---|
"""


SETTLE = 1.5  # seconds: the engine clears up after a `down`, and that is nobody's bring-up


def plain(scratch: Scratch, mode: str) -> float:
    """The same containers by Compose alone, from the files that `up` rendered; gone after it."""
    command = ["docker", "compose", "--env-file", str(scratch.state / mode / "compose.env")]
    command += ["-f", "compose/base.yml", "-f", f"compose/{mode}.yml"]
    began = time.perf_counter()
    subprocess.run([*command, "up", "--wait"], cwd=scratch.root, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    subprocess.run([*command, "down"], cwd=scratch.root, check=True, capture_output=True)
    time.sleep(SETTLE)
    return seconds


def of_hub(scratch: Scratch) -> Figures:
    figures = {"hub_up": timed(scratch, "up", "--mode", "hub")}
    where = scratch.endpoints()
    hub = Hub(where["hub_url"], where["hub_api_token"])
    hub.spawn("grace")
    hub.stop("grace")
    figures["spawn"] = hub.spawn("grace")
    figures["hub_second_up"] = timed(scratch, "up")
    figures["hub_shells"] = slowest(scratch)
    figures["hub_status"] = timed(scratch, "status")
    figures["hub_edit"] = edit(scratch, "hub/habari_hub/takeover.py")
    figures["hub_down"] = timed(scratch, "down")
    time.sleep(SETTLE)
    figures["hub_plain"] = plain(scratch, "hub")
    return figures


def of_nohub(scratch: Scratch) -> Figures:
    figures = {"nohub_up": timed(scratch, "up", "--mode", "nohub")}
    url = scratch.endpoints()["hub_url"] + "api"
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    figures["edit"] = edit(scratch, "jupyter/habari_contents/habari_contents/errors.py")
    figures["nohub_down"] = timed(scratch, "down")
    time.sleep(SETTLE)
    figures["nohub_plain"] = plain(scratch, "nohub")
    return figures


def page(found: list[Figures]) -> str:
    lines = [HEAD.format(runs=len(found), cores=os.cpu_count())]
    for key, title, goal in ROWS:
        values = [each[key] for each in found]
        shown = f"{median(values):.1f} ({min(values):.1f}-{max(values):.1f})"
        lines.append(f"| {title} | {shown} | {f'≤ {goal:g}' if goal else ''} |\n")
    for mode in ("hub", "nohub"):
        # Of the medians: single runs on a small machine differ by more than the two do.
        ours, plain = (median(each[f"{mode}_{who}"] for each in found) for who in ("up", "plain"))
        wanted = "≤ 1.1" if mode == "hub" else ""
        lines.append(
            f"| mode {mode}, ours to plain Compose | {ours / plain:.2f} times | {wanted} |\n"
        )
    return "".join(lines)


def main() -> None:
    """Measure and write docs/reference/bench-compose.md."""
    parser = argparse.ArgumentParser(prog="bench.compose")
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    reason = missing("hub") or missing("nohub")
    if reason:
        sys.exit(reason)
    with (
        tempfile.TemporaryDirectory(prefix="habari-bench-") as folder,
        scratch_checkout(Path(folder)) as scratch,
    ):
        found = [{**of_hub(scratch), **of_nohub(scratch)} for _ in range(runs + 1)][1:]
    drawn = page(found)
    sys.stdout.write(drawn)
    target = ROOT / "docs" / "reference" / "bench-compose.md"
    target.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
