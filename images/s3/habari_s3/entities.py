"""The units in which state is saved: one entity is what one request can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["bucket", "object", "upload", "iam"]


@dataclass(frozen=True)
class Entity:
    """A bucket's settings, all versions of an object, an unfinished upload, or all of IAM.

    `name` is an object's key or an upload's id; IAM has neither bucket nor name.
    """

    kind: Kind
    bucket: str = ""
    name: str = ""


@dataclass(frozen=True)
class Snapshot:
    """An entity's serialized state, and the bodies (id → bytes) that the state refers to."""

    state: bytes
    bodies: dict[str, int]


IAM = Entity("iam")
