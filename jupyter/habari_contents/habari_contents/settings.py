"""Owns what can be set about S3 folders: which there are, and how long an operation may take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

FOLDERS_VARIABLE = "HABARI_CONTENTS_FOLDERS"


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """One S3 folder: the bucket behind it and the prefix in it (no slash at either end)."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long one S3 operation may take, in seconds; large bodies get more by their size.

    `rest` is how long a bucket that failed is left alone.
    """

    look: float = 4.0
    listing: float = 15.0
    transfer: float = 6.0
    rest: float = 3.0
    confirm: float = 2.0
    bytes_per_second: float = 2_000_000.0

    def body(self, size: int) -> float:
        """Seconds that reading or writing `size` bytes may take."""
        return self.transfer + size / self.bytes_per_second


def parse_folders(value: str | Mapping[str, object]) -> dict[str, FolderSettings]:
    """Folders by name from `{"lake": {"bucket": "b", "prefix": "p"}}`, as JSON text or a mapping.

    Raises ValueError with every problem at once.
    """
    try:
        raw = json.loads(value) if isinstance(value, str) else dict(value)
    except ValueError as error:
        raise ValueError(
            f"{FOLDERS_VARIABLE}: is no JSON ({error}), expected an object."
        ) from error
    if not isinstance(raw, dict):
        raise ValueError(f"{FOLDERS_VARIABLE}: is no object.")  # noqa: TRY004 - as the others
    problems: list[str] = []
    folders: dict[str, FolderSettings] = {}
    for name, entry in raw.items():
        found = _folder_problems(name, entry)
        problems += [f"{FOLDERS_VARIABLE}: folder {name!r} {problem}." for problem in found]
        if not found:
            folders[name] = FolderSettings(entry["bucket"], str(entry.get("prefix", "")).strip("/"))
    if problems:
        raise ValueError("\n".join(problems))
    return folders


def _folder_problems(name: str, entry: object) -> list[str]:
    problems = []
    if not name or "/" in name or name.startswith(".") or name != name.strip():
        problems.append(
            "has a name that is empty, hidden, padded or has a slash, expected one word"
        )
    if not isinstance(entry, Mapping):
        return [*problems, "is no object, expected a bucket and a prefix"]
    if not isinstance(entry.get("bucket"), str) or not entry["bucket"]:
        problems.append("has no bucket, expected its name")
    if not isinstance(entry.get("prefix", ""), str):
        problems.append("has a prefix that is no text, expected text")
    unknown = sorted(set(entry) - {"bucket", "prefix"})
    if unknown:
        problems.append(f"has unknown settings {', '.join(unknown)}, expected bucket and prefix")
    return problems
