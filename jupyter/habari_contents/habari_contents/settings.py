"""The settings of S3 folders: which there are, and how long an operation may take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields

FOLDERS_VARIABLE = "HABARI_CONTENTS_FOLDERS"
CHECKPOINTS = ("beside", "home", "off")


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """One S3 folder: the bucket behind it and the prefix in it (no slash at either end).

    `checkpoints` are beside the files, in the home, or off; `requester_pays` has this server's
    account pay for what it asks. The others are S3's own names:
    `encryption` is AES256 or aws:kms, `kms_key` the key's id.
    """

    bucket: str
    prefix: str = ""
    readonly: bool = False
    encryption: str = ""
    kms_key: str = ""
    storage_class: str = ""
    checkpoints: str = "beside"
    requester_pays: bool = False

    def write_parameters(self) -> dict[str, str]:
        """The parameters that every object written here gets."""
        wanted = {
            "ServerSideEncryption": self.encryption,
            "SSEKMSKeyId": self.kms_key,
            "StorageClass": self.storage_class,
        }
        return {name: value for name, value in wanted.items() if value}


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

    def for_body(self, size: int) -> float:
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
            plain = entry | {"prefix": entry.get("prefix", "").strip("/")}
            folders[name] = FolderSettings(**plain)
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
    known: dict[str, type] = {each.name: str for each in fields(FolderSettings)}
    known |= {"readonly": bool, "requester_pays": bool}
    for setting, kind in known.items():
        if setting != "bucket" and not isinstance(entry.get(setting, kind()), kind):
            word = "text" if kind is str else "true or false"
            problems.append(f"has a {setting} that is no {word}, expected {word}")
    if entry.get("checkpoints", "beside") not in CHECKPOINTS:
        problems.append(f"has checkpoints that are none of {', '.join(CHECKPOINTS)}")
    unknown = sorted(set(entry) - set(known))
    if unknown:
        problems.append(f"has unknown settings {', '.join(unknown)}, expected {', '.join(known)}")
    return problems
