"""The interface of a backend: it handles requests, and gives and takes its state by entity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from habari_s3.entities import Entity, Snapshot
from habari_s3.request_parser import BackendRequest
from habari_s3.responses import Response


class Backend(Protocol):
    """moto or LocalStack; the app calls it from one thread at a time."""

    name: str
    account: str
    lacks: frozenset[str]  # operations that it answers as if they were others, or not at all

    @property
    def iam(self) -> AccessControl:
        """Who may do what."""

    def handle_request(self, request: BackendRequest, credential: str) -> Response:
        """Return the answer to a request; memory is changed, the disk is not.

        `credential`: the id of the key that signed it and its scope, as Authorization has them.
        """

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""

    def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object, without quotes; None if there is no such object."""

    def key_of_upload(self, bucket: str, upload: str) -> str | None:
        """Return the key of an unfinished upload, None if there is no such upload."""

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity, with its bodies on the disk; None: not there."""

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""


class AccessControl(Protocol):
    """Who may do what; its state is one of the backend's entities."""

    def secret(self, key_id: str) -> str | None:
        """Return the secret of an access key, None if there is no such key."""

    def first_denied(
        self, key_id: str, permissions: Iterable[tuple[str, str]]
    ) -> tuple[str, str] | None:
        """Return the first (action, resource) that the policies of a key's owner do not allow."""
