"""The interface of a backend: it handles requests, and gives and takes its state by entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from habari_s3.entities import Entity, Snapshot
from habari_s3.responses import Response


class Backend(Protocol):
    """moto or LocalStack; the app calls it from one thread at a time."""

    name: str

    @property
    def iam(self) -> AccessControl:
        """Who may do what."""

    def handle_request(self, environ: dict[str, Any], service: str, body: bytes) -> Response:
        """Return the answer to a request; memory is changed, the disk is not."""

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity, with its bodies on the disk; None: not there."""

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""


class AccessControl(Protocol):
    """Who may do what; its state is one of the backend's entities."""

    def secret(self, key_id: str, headers: Mapping[str, str]) -> str | None:
        """Return the secret of an access key, None if there is no such key."""

    def permits(
        self, key_id: str, headers: Mapping[str, str], permissions: Iterable[tuple[str, str]]
    ) -> bool:
        """Whether the policies of a key's owner allow all (action, resource)."""
