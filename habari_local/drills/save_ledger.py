"""The ledger of a drill: what each save was told, and whether what is stored agrees with that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from habari_local.drills.test_documents import version_in

Outcome = Literal["saved", "refused", "unconfirmed"]


@dataclass(frozen=True)
class SaveAttempt:
    """One save: begun so many seconds into the drill, told after so many seconds.

    `unconfirmed` is a save of which the person heard nothing, or that nothing is known.
    """

    at: float
    seconds: float
    name: str
    version: int
    outcome: Outcome
    said: str = ""

    @property
    def person(self) -> str:
        """Whose document it is: its name without folder and number."""
        return self.name.rpartition("/")[2].rpartition("-")[0]

    @property
    def told(self) -> float:
        """When it was told, in seconds into the drill."""
        return self.at + self.seconds


@dataclass
class Verdict:
    """What the store holds against the ledger; each entry names a document and says what is wrong.

    lost: an acknowledged save is not there, and nothing newer of this document is.
    torn: what is stored is no version of the document, whole.
    untrue: a save is there of which the person was told that it was refused.
    """

    saved: int = 0
    refused: int = 0
    unconfirmed: int = 0
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every word that people were told is true."""
        return not (self.lost or self.torn or self.untrue)


def verify(attempts: Iterable[SaveAttempt], stored: Callable[[str], bytes | None]) -> Verdict:
    """Compare the ledger with what is stored (`stored` returns None where there is nothing)."""
    verdict = Verdict()
    documents: dict[str, list[SaveAttempt]] = defaultdict(list)
    for attempt in attempts:
        documents[attempt.name].append(attempt)
        setattr(verdict, attempt.outcome, getattr(verdict, attempt.outcome) + 1)
    for name, history in documents.items():
        _verify_one(name, sorted(history, key=lambda each: each.version), stored(name), verdict)
    return verdict


def _verify_one(
    name: str, history: Sequence[SaveAttempt], body: bytes | None, verdict: Verdict
) -> None:
    acknowledged = [each.version for each in history if each.outcome == "saved"]
    there = 0 if body is None else version_in(body, name)
    if there is None:
        verdict.torn.append(f"{name}: {len(body or b'')} bytes that are no version of it")
        there = 0
    for version in acknowledged:
        if version > there:
            seen = f"version {there} is there" if there else "no version is there"
            verdict.lost.append(f"{name}: version {version} was acknowledged, {seen}")
    for each in history:
        if each.version == there and each.outcome == "refused":
            verdict.untrue.append(f"{name}: version {there} is there, refused: {each.said}")
