"""What went wrong in a build, read from BuildKit's plain progress."""

from __future__ import annotations

import re
from collections.abc import Sequence

from habari_local.config.load import environment
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers.docker.images import WITHOUT
from habari_local.drivers.install_errors import NETWORK, network_hint

TAIL = 20
# The footer of a failed build: `Dockerfile:7`, a rule, and the step's lines marked `>>>`.
PLACE = re.compile(r"^\S*?:(\d+)$")
MARKED = re.compile(r"^\s*\d+ \| >>> (.*)$")
SPOKEN = re.compile(r"^#(\d+) \d+\.\d+ ?(.*)$")
FAILED = re.compile(r"^#(\d+) ERROR: (.*)$")
REGISTRY = re.compile(r"failed to resolve source metadata|failed to do request: Head")
FULL = re.compile(r"no space left on device", re.IGNORECASE)
BUILDERS_OWN = re.compile(r"^#\d+ (?:\d+\.\d+ ?)?")


def explain(name: str, dockerfile: str, error: CommandFailed) -> HabariError:
    """Return the error that a person can act on, made from what `docker buildx build` printed."""
    lines = error.output.splitlines()
    if FULL.search(error.output):
        return HabariError(
            f"Docker's disk: full while building the image {name}, room for it was expected.",
            "habari-local image prune",
            details=last_words(lines),
        )
    place = next((found[1] for line in reversed(lines) if (found := PLACE.match(line))), "")
    where = f"{dockerfile}:{place}" if place else dockerfile
    step = next((found[1] for line in lines if (found := MARKED.match(line))), "")
    what = f" in `{step.rstrip(' ;' + chr(92))}`" if step else ""
    reason = _reason(lines, error.returncode)
    return HabariError(
        f"{where} (image {name}): {reason}{what}, a build without error was expected.",
        _hint(name, error.output, lines),
        details=last_words(lines),
    )


def _hint(name: str, output: str, lines: Sequence[str]) -> str:
    """Return the way round a registry, what to look at in the network, or the command again."""
    again = f"habari-local image build {name}"
    if REGISTRY.search(output):
        return WITHOUT
    failed = NETWORK.search("\n".join(last_words(lines)))
    return network_hint(environment(), f"repeat: {again}") if failed else again


def last_words(lines: Sequence[str]) -> list[str]:
    """Return the last lines that the failed step printed, else the last lines of all."""
    failed = next((found[1] for line in lines if (found := FAILED.match(line))), "")
    spoken = [
        found[2]
        for line in lines
        if (found := SPOKEN.match(line)) and found[1] == failed and found[2]
    ]
    return (spoken or [line for line in lines if line.strip()])[-TAIL:]


def shown(line: str) -> str:
    """Return a line of progress without BuildKit's numbers."""
    return BUILDERS_OWN.sub("", line).strip()


def _reason(lines: Sequence[str], code: int) -> str:
    said = next((found[2] for line in lines if (found := FAILED.match(line))), "")
    exit_code = re.search(r"exit code: (\d+)", said)
    if exit_code:
        return f"exit code {exit_code[1]}"
    last = next((line for line in reversed(lines) if line.startswith("ERROR: ")), "")
    return (said or last.removeprefix("ERROR: ") or f"exit code {code}")[:400]
