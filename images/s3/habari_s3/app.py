"""The WSGI application: authenticate, authorize, call the backend, save, and only then answer.

A request is taken apart once; the backend gets one that is made from what was understood of it.

One request at a time reaches the backend. That makes conditional writes atomic, and nobody reads
what is not on the disk yet. What is refused or fails is undone in memory, from the disk.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from habari_s3 import chunked_body, http_request, signature
from habari_s3.backend import Backend
from habari_s3.blobs import DamagedBlob
from habari_s3.entities import Entity
from habari_s3.http_request import HTTPRequest
from habari_s3.journal import Journal
from habari_s3.request_parser import ParsedRequest, parse_request
from habari_s3.responses import Response, S3Error

HEALTH = "/_habari/health"


@dataclass(frozen=True)
class RootKey:
    """The key that may do everything."""

    key_id: str
    secret: str = field(repr=False)


class S3App:
    """The WSGI application: a backend behind a journal."""

    def __init__(self, backend: Backend, journal: Journal, root: RootKey) -> None:
        self.backend = backend
        self.journal = journal
        self.root = root
        self.lock = threading.Lock()

    def restore(self) -> int:
        """Give the backend all that the journal holds; return how many entities that were."""
        count = 0
        gc.disable()  # nothing that is made here is garbage, and looking takes longer than making
        for entity, snapshot in self.journal.load():
            self.backend.write(entity, snapshot)
            count += 1
        gc.enable()
        gc.freeze()
        return count

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        start = time.perf_counter()
        method, path = environ["REQUEST_METHOD"], environ["REQUEST_URI"].split("?", 1)[0]
        if path == HEALTH:
            response = self._health()
        else:
            response = self._respond(environ)
            passed = (time.perf_counter() - start) * 1000
            size = environ.get("CONTENT_LENGTH") or len(response.body)
            sys.stdout.write(
                f"{_now()} {method} {path} {response.status} {size} B {passed:.1f} ms\n"
            )
        headers = [each for each in response.headers if each[0].lower() != "content-length"]
        if method == "HEAD":
            headers = response.headers
        elif response.status not in (204, 304):
            headers.append(("Content-Length", str(len(response.body))))
        start_response(response.status_line, headers)
        return [] if method == "HEAD" or response.status in (204, 304) else [response.body]

    def _health(self) -> Response:
        damaged = {"/".join((e.kind, e.bucket, e.name)): w for e, w in self.journal.damaged.items()}
        report = {
            "status": "damaged" if damaged else "ok",
            "backend": self.backend.name,
            "state": self.journal.state,
            "damaged": damaged,
        }
        body = json.dumps(report).encode()
        return Response(200, [("Content-Type", "application/json")], body)

    def _respond(self, environ: dict[str, Any]) -> Response:
        # Until the signature says more: IAM and STS are asked by POST of /, S3 never is.
        of_query = environ["REQUEST_METHOD"] == "POST" and environ["REQUEST_URI"] == "/"
        service = "sts" if of_query else "s3"
        try:
            request = http_request.read(environ)
            signed = signature.parse(request)
            service = signed.service
            return self._handle(request, signed)
        except S3Error as error:
            return error.response(service)
        except DamagedBlob as error:
            sys.stderr.write(f"{_now()} damaged: {error}\n")
            return S3Error(500, "InternalError", "The object is damaged on the disk.").response(
                "s3"
            )
        except Exception:  # noqa: BLE001 (a server goes on; the trace is in its log)
            traceback.print_exc()
            return S3Error(500, "InternalError", "The S3 service failed; see its log.").response(
                service
            )

    def _handle(self, request: HTTPRequest, signed: signature.SignatureInfo) -> Response:
        with self.lock:
            self._require_no_bucket_in_host(request.host)
            _require_no_token(request, signed.service)
            sign = signature.verify(signed, request, self._secret_of)
            body, trailer = chunked_body.decode(request, signed, sign)
            parsed = parse_request(request, signed.service, body, trailer, self.backend.account)
            self._require_served(parsed)
            self._authorize(signed.key_id, parsed)
            self._require_undamaged(parsed)
            self._require_unchanged(parsed)
            credential = f"{signed.key_id}/{signed.scope}"
            if not parsed.writes:
                return self.backend.handle_request(parsed.canonical, credential)
            return self._handle_write(parsed, credential)

    def _handle_write(self, parsed: ParsedRequest, credential: str) -> Response:
        changed = parsed.entities
        try:
            response = self.backend.handle_request(parsed.canonical, credential)
            changed = parsed.changed_entities(response)
            if response.ok:
                self.journal.save({entity: self.backend.read(entity) for entity in changed})
            else:
                self._revert(changed)
        except (OSError, sqlite3.Error) as error:
            self._revert(changed)
            sys.stderr.write(f"{_now()} not kept: {error}\n")
            raise S3Error(507, "InsufficientStorage", f"Nothing was stored: {error}.") from error
        except BaseException:
            self._revert(changed)
            raise
        return response

    def _revert(self, changed: Iterable[Entity]) -> None:
        for entity in changed:
            self.backend.write(entity, self.journal.get(entity))

    def _secret_of(self, key_id: str) -> str | None:
        return self.root.secret if key_id == self.root.key_id else self.backend.iam.secret(key_id)

    def _require_no_bucket_in_host(self, host: str) -> None:
        first, dot, _ = host.partition(".")
        if dot and self.backend.has_bucket(first):
            raise S3Error(
                400,
                "InvalidRequest",
                f"Host {host} names a bucket: this S3 takes it from the path (path style).",
            )

    def _require_served(self, parsed: ParsedRequest) -> None:
        canonical = parsed.canonical
        if canonical.operation in self.backend.lacks:
            said = f"{canonical.operation} is not served by {self.backend.name}."
            raise S3Error(501, "NotImplemented", said)

    def _authorize(self, key_id: str, parsed: ParsedRequest) -> None:
        permissions = [each for each in parsed.permissions if each[0] != "sts:GetCallerIdentity"]
        if permissions and key_id != self.root.key_id:
            denied = self.backend.iam.first_denied(key_id, permissions)
            if denied:
                said = f"The key's policies do not allow {denied[0]} on {denied[1]}."
                raise S3Error(403, "AccessDenied", said)
        # Backends know an upload by its id alone, whatever key is in the path.
        canonical = parsed.canonical
        if parsed.upload and canonical.key != self.backend.key_of_upload(
            canonical.bucket, parsed.upload
        ):
            raise S3Error(404, "NoSuchUpload", "The upload of this key does not exist.")

    def _require_unchanged(self, parsed: ParsedRequest) -> None:
        """Refuse a list of deletions, all of it, where an object is another one than is meant."""
        for key, etag in parsed.expected.items():
            found = self.backend.etag(parsed.canonical.bucket, key)
            if found is not None and found != etag.strip('"'):
                said = f"{key} is another object than the one to delete; nothing was deleted."
                raise S3Error(412, "PreconditionFailed", said)

    def _require_undamaged(self, parsed: ParsedRequest) -> None:
        if not self.journal.damaged or parsed.writes or parsed.canonical.service != "s3":
            return
        entity = Entity("object", parsed.canonical.bucket, parsed.canonical.key)
        reason = self.journal.damaged.get(entity)
        if reason:
            raise S3Error(500, "InternalError", f"The object is damaged on the disk: {reason}.")


def _require_no_token(request: HTTPRequest, service: str) -> None:
    """Refuse keys of sessions: this S3 gives none."""
    if "x-amz-security-token" in request.headers or "X-Amz-Security-Token" in request.parameters:
        code, status = ("InvalidToken", 400) if service == "s3" else ("InvalidClientTokenId", 403)
        raise S3Error(status, code, "A session token was sent; this S3 has keys of users alone.")


def _now() -> str:
    return time.strftime("%H:%M:%S")
