"""The ledger of a drill: each save and its answer, compared with what the bucket has in the end."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from habari_local.platform.mode import S3Endpoint
from habari_local.s3.s3_client import error_code

Outcome = Literal["saved", "refused", "unconfirmed"]
SMALL, LARGE = 6_000, 1_500_000  # bytes of random content, about; a notebook with a picture or two
EVERY = 10  # one document in so many is large
LINE = 60  # bytes, as hex digits twice as many characters
READERS = 8  # half an hour leaves thousands of documents: one after the other takes minutes


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
    corrupted: what is stored is no version of the document, whole.
    refused_but_saved: a save is there of which the person was told that it was refused.
    """

    saved: int = 0
    refused: int = 0
    unconfirmed: int = 0
    lost: list[str] = field(default_factory=list)
    corrupted: list[str] = field(default_factory=list)
    refused_but_saved: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every word that people were told is true."""
        return not (self.lost or self.corrupted or self.refused_but_saved)


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
        verdict.corrupted.append(f"{name}: {len(body or b'')} bytes that are no version of it")
        there = 0
    for version in acknowledged:
        if version > there:
            seen = f"version {there} is there" if there else "no version is there"
            verdict.lost.append(f"{name}: version {version} was acknowledged, {seen}")
    for each in history:
        if each.version == there and each.outcome == "refused":
            verdict.refused_but_saved.append(
                f"{name}: version {there} is there, refused: {each.said}"
            )


def text_of(name: str, version: int) -> str:
    """Return the text of one version: its name and version first, then noise made from them."""
    noise = random.Random(f"{name} {version}")  # noqa: S311 (no secret: it must come out the same)
    size = LARGE if noise.randrange(EVERY) == 0 else SMALL
    lines = [noise.randbytes(LINE).hex() for _ in range(noise.randrange(1, size) // LINE)]
    return "\n".join([f"{name} version {version}", *lines])


def notebook_of(text: str) -> dict[str, Any]:
    """Return a notebook with this text in its one cell."""
    cell = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": text}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def version_in(body: bytes, name: str) -> int | None:
    """Return which version a stored notebook is, to its last byte; None if it is none, whole."""
    try:
        source = json.loads(body)["cells"][0]["source"]
        text = source if isinstance(source, str) else "".join(source)
        version = int(text.partition("\n")[0].rpartition(" ")[2])
    except (ValueError, LookupError, TypeError):
        return None
    return version if text == text_of(name, version) else None


class BucketReader:
    """The bucket of notebooks."""

    def __init__(self, s3: S3Endpoint, backend: str) -> None:
        self.bucket = s3.notebooks_bucket
        self.client = s3.client(backend)

    def read(self, name: str) -> bytes | None:
        """Return what is stored under a name, None if nothing is; raises botocore's errors."""
        from botocore.exceptions import ClientError

        try:
            return self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return None
            raise

    def read_all(self, names: Collection[str]) -> dict[str, bytes | None]:
        """Return what is stored under each name; raises botocore's errors."""
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(names, pool.map(self.read, names), strict=True))

    def clear(self, folder: str) -> None:
        """Delete all that is under a folder."""
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=f"{folder}/"):
            keys = [entry["Key"] for entry in page.get("Contents", ())]
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(self._delete, keys))

    def _delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=key)
