"""`python -m bench.simulated`: many users on one hub; the page docs/reference/load.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.load import put_into_page
from bench.simulated import page, trial_run
from bench.simulated.parts import Trial


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one trial; print it."""
    parser = argparse.ArgumentParser(prog="bench.load --simulated")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--within", type=float, default=0.0, help="seconds over which they come")
    parser.add_argument("--steady", type=float, default=120.0, help="seconds with all of them")
    parser.add_argument("--start-seconds", type=float, default=2.0, help="that a server takes")
    parser.add_argument("--set", action="append", default=[], metavar="Class.trait=JSON")
    parser.add_argument("--server-env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--optimize", action="store_true", help="python -O")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--short", action="store_true", help="no restart, no cull; JSON, no page")
    parser.add_argument("--print", action="store_true", help="leave the page alone")
    parser.add_argument("--keep", type=Path, help="a folder for logs and profiles")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all parts are ended first
    tried: dict[str, dict[str, Any]] = {}
    for each in given.set:
        name, _, value = each.partition("=")
        section, _, trait = name.partition(".")
        tried.setdefault(section, {})[trait] = json.loads(value)
    trial = Trial(
        given.users,
        tried,
        dict(each.split("=", 1) for each in given.server_env),
        given.start_seconds,
        given.database,
        given.optimize,
    )
    with tempfile.TemporaryDirectory(prefix="habari-load-", dir="/tmp") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = trial_run.run(
            trial, folder.resolve(), given.within, given.steady, given.profile, not given.short
        )
        if given.short:
            sys.stdout.write(trial_run.as_data(found) + "\n")
            return
        if given.keep:
            (folder / "found.json").write_text(trial_run.as_data(found), encoding="utf-8")
        text = page.drawn(found, given.within)
    sys.stdout.write(text)
    if not given.print:
        put_into_page(text, "simulated")
    if any(each["error"] for each in (*found.come, *found.probes)):
        sys.exit(1)


if __name__ == "__main__":
    main()
