"""For action.yml: what came of the checks as Markdown, and an annotation for each that failed.

Reads gate.json and JUnit's files in a folder. Annotations are commands to the runner, on standard
error, since what is printed becomes the job's summary:
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree  # of files that pytest has just written

LINES = 20  # of a failure, in the summary


def escaped(text: str) -> str:
    """Return a text as the message of a runner's command may have it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def cell(text: str) -> str:
    """Return a text as a cell of a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def fenced(text: str) -> str:
    """Return a text as a block that nothing in it ends."""
    last = "\n".join(text.rstrip().splitlines()[-LINES:])
    return f"\n````text\n{last.replace('````', '` ` ` `')}\n````\n"


def annotate(title: str, message: str, file: str = "") -> None:
    """Have the runner show an error, at a file where one is known."""
    place = f"file={file}," if file else ""
    sys.stderr.write(f"::error {place}title={escaped(title)}::{escaped(message)}\n")


def gate(file: Path) -> Iterator[str]:
    """Yield the gate's verdict and its checks."""
    found = json.loads(file.read_text(encoding="utf-8"))
    yield f"## Habari's gate: {found['verdict']}\n"
    yield "| check | state | why |\n|---|---|---|"
    for each in found["checks"]:
        yield f"| {cell(each['check']['name'])} | {each['state']} | {cell(each['why'])} |"
    for each in found["checks"]:
        if each["state"] == "broken":
            annotate(each["check"]["name"], each["lines"][-1] if each["lines"] else each["why"])
            yield f"\n### {each['check']['name']}\n{fenced(chr(10).join(each['lines']))}"


def suite(file: Path) -> Iterator[str]:
    """Yield the numbers of a run of pytest, and what failed."""
    cases = list(ElementTree.parse(file).getroot().iter("testcase"))  # noqa: S314
    failed = [(each, bad) for each in cases for bad in each if bad.tag in ("failure", "error")]
    skipped = sum(each.find("skipped") is not None for each in cases)
    passed = len(cases) - skipped - len({id(each) for each, _ in failed})
    name = file.stem.removeprefix("junit-")
    yield f"## {name}: {passed} passed, {len(failed)} failed, {skipped} skipped\n"
    for case, bad in failed:
        title = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        said = (bad.get("message") or bad.text or "no message").strip()
        annotate(title, said, case.get("file") or "")
        yield f"### {title}\n{fenced(bad.text or said)}"


def main(folder: Path) -> None:
    """Print what came of all that was run."""
    parts: list[str] = []
    verdict = folder / "gate.json"
    # A check that is broken may not have come as far as an answer: the log has its words.
    if verdict.is_file() and verdict.stat().st_size:
        parts += gate(verdict)
    for file in sorted(folder.glob("junit-*.xml")):
        parts += suite(file)
    print("\n".join(parts or ["Habari: nothing was run to its end; the job's log says why."]))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
