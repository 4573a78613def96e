"""The habits of real S3 stores, each one small class with its source, put before any S3.

`HABITS` are what a store always does; `outcomes` are what an answer to one request can be. The
proxy of `tests/faults.py` has both. TESTS_HABIT names one for all tests of a run.
"""

from __future__ import annotations

from .conditions import CreatesOver, NoConditions
from .etags import KmsETags, UnquotedETags, WeakETags
from .large_folder import LargeFolder
from .message import Answer, Habit, Request
from .policies import BatchesWantMd5, DenyUnencrypted, ObjectLock, RequesterPays
from .throttling import Archived, Races, Throttled

HABITS: dict[str, type[Habit]] = {
    habit.__name__: habit
    for habit in (
        Archived,
        BatchesWantMd5,
        CreatesOver,
        DenyUnencrypted,
        KmsETags,
        NoConditions,
        ObjectLock,
        Races,
        RequesterPays,
        Throttled,
        UnquotedETags,
        WeakETags,
    )
}
# Those that a whole test run or a random operation can live with.
TRANSPARENT = ("BatchesWantMd5", "KmsETags", "ObjectLock", "Races", "Throttled", "UnquotedETags")

__all__ = ["HABITS", "TRANSPARENT", "Answer", "Habit", "LargeFolder", "Request"]
