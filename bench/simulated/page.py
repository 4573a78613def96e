"""What a trial found, as Markdown: the part of docs/reference/load.md about simulated servers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping

from bench.simulated import hub_profile
from bench.simulated.trial_run import STEPS, Found, seen, spread

TEXT = """\
## {users} users on one hub, simulated servers, {cores} cores

They came {within}; the last had a server after **{seconds:.0f} s**: {rate:.1f}
sign-ins and starts a second, {errors} errors, told to come back later: {later} times. A start took
{start:g} s. The hub had {one:.0f} ms of processor time for each of them, so one core would do for
{most:.0f} a second. The machine was shared with other work: seconds of waiting are what was seen,
seconds of processor time are what it costs. Differs from production's values: {tried}.

| step | median | p95 | longest | median with all running | p95 |
|---|---|---|---|---|---|
{steps}

| processor time of | each who came, ms | of a core with {running} running | memory, MB |
|---|---|---|---|
{parts}

| then | |
|---|---|
| hub restarted: stopped | {stop:.1f} s |
| it answers again | {up:.1f} s later |
| all {known_servers} servers known again | {known:.1f} s after it was told to stop |
| servers lost by that | {lost} |
| processor time of its start | {restart_effort:.1f} s |
| {culled} servers culled, ten at a time | {cull:.0f} s, {cull_rate:.1f} a second |
| the hub's processor time for each of them | {cull_one:.0f} ms |
"""
PROFILE = """
Where the hub's core goes, by samples of py-spy:

| work | while they come | while all run | while they are culled |
|---|---|---|---|
{kinds}

| for JupyterHub's function | while they come | while all run | while they are culled |
|---|---|---|---|
{functions}
"""


def drawn(found: Found, within: float) -> str:
    """Return the tables; the one of the profile only where there was one."""
    count, restart, cull = len(found.come), found.restart, found.cull
    one = found.come_effort["hub"] / count
    text = TEXT.format(
        users=count,
        cores=os.cpu_count(),
        within=f"within {within:.0f} s" if within else "all at the same moment",
        seconds=found.come_seconds,
        rate=count / found.come_seconds,
        errors=sum(bool(each["error"]) for each in found.come),
        later=sum(each["later"] for each in found.come),
        start=found.trial.start_seconds,
        one=1000 * one,
        most=1 / one,
        tried=_tried(found),
        steps="\n".join(_steps(found)),
        running=count,
        parts="\n".join(_parts(found)),
        stop=restart["stop"],
        up=restart["up"],
        known=restart["known"],
        known_servers=int(restart["servers"]),
        lost=int(restart["lost"]),
        restart_effort=restart["effort"],
        culled=int(cull["servers"]),
        cull=cull["seconds"],
        cull_rate=cull["servers"] / cull["seconds"],
        cull_one=1000 * cull["effort"] / cull["servers"],
    )
    return text + (_profile(found) if found.profiles else "")


def _tried(found: Found) -> str:
    tried = [
        f"`{name}.{trait}` = {value}"
        for name, traits in found.trial.tried.items()
        for trait, value in traits.items()
    ]
    tried += [f"`{name}` = {value}" for name, value in found.trial.server_env.items()]
    return ", ".join(tried) or "nothing"


def _steps(found: Found) -> Iterator[str]:
    for step in STEPS:
        came, later = spread(seen(found.come, step)), spread(seen(found.probes, step))
        shown = " | ".join(f"{each:.2f} s" for each in (*came, *later[:2]))
        yield f"| {step} | {shown} |"


def _parts(found: Found) -> Iterator[str]:
    for part, seconds in found.come_effort.most_common():
        each = 1000 * seconds / len(found.come)
        share = 100 * found.steady_effort[part] / found.steady_seconds
        yield f"| {part} | {each:.1f} | {share:.1f} % | {found.memory[part] / 1e6:.0f} |"


def _profile(found: Found) -> str:
    kinds, functions = (
        "\n".join(_shares({name: by(file) for name, file in found.profiles.items()}))
        for by in (hub_profile.by_kind, hub_profile.by_function)
    )
    return PROFILE.format(kinds=kinds, functions=functions)


def _shares(counts: Mapping[str, Counter[str]]) -> Iterator[str]:
    for what, _ in sum(counts.values(), Counter[str]()).most_common(10):
        shares = (
            f"{100 * counts[name][what] / max(1, counts[name].total()):.0f} %"
            for name in ("come", "steady", "cull")
        )
        yield f"| {what} | {' | '.join(shares)} |"
