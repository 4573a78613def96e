"""What is kept of a run: one JSON file per mode, `results-<mode>.json`, schema 2."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SCHEMA = 2
Outcome = Literal["passed", "failed", "not applicable", "skipped"]


@dataclass
class Shot:
    """A screenshot: its file's name in the folder of evidence, and what it shows."""

    file: str
    caption: str


@dataclass
class Check:
    """One check and what came of it; `seconds` without what it prepared for others too."""

    id: str
    capability: str
    title: str
    node: str
    outcome: Outcome = "passed"
    seconds: float = 0.0
    reason: str = ""
    message: str = ""
    failure: str = ""
    reproduce: str = ""
    shots: list[Shot] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)


@dataclass
class Timing:
    """How long a step took that a user waits for, in seconds."""

    name: str
    seconds: float


@dataclass
class Run:
    """One run of the suite in one mode. `started`: ISO 8601, UTC; `capabilities`: name → title.

    `ended` is false while it runs, and stays so if it was killed. `total` counts the checks that
    there were to choose from, by `chosen` (as on the command line; empty: all of the suite);
    `images` has the digests of what ran, by service.
    """

    mode: str
    started: str
    command: str
    ended: bool = False
    total: int = 0
    selected: int = 0
    chosen: str = ""
    commit: str = ""
    dirty: bool = False
    source: str = ""
    machine: str = ""
    images: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    capabilities: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    shots: list[Shot] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def whole(self) -> bool:
        """Whether all of the suite was run, to its end."""
        return self.ended and not self.chosen and len(self.checks) == self.total

    def count(self, outcome: Outcome) -> int:
        """How many checks ended so."""
        return sum(check.outcome == outcome for check in self.checks)


def results_file(folder: Path, mode: str) -> Path:
    """Where the results of a mode are kept."""
    return folder / f"results-{mode}.json"


def write(run: Run, folder: Path) -> Path:
    """Keep a run, readable by its owner alone; returns the file."""
    path = results_file(folder, run.mode)
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def read_all(folder: Path) -> list[Run]:
    """The kept runs of all modes, by mode; those of another schema are left out."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in _files(folder)]
    return [_run_from(content) for content in contents if content.get("schema") == SCHEMA]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("results-*.json"))


def _run_from(content: dict[str, Any]) -> Run:
    checks = [
        Check(**{**check, "shots": [Shot(**shot) for shot in check["shots"]]})
        for check in content["checks"]
    ]
    rebuilt = {
        "checks": checks,
        "timings": [Timing(**timing) for timing in content["timings"]],
        "shots": [Shot(**shot) for shot in content["shots"]],
    }
    return Run(**{**content, **rebuilt})
