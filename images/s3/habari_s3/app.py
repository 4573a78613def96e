"""The WSGI application: authenticate, authorize, call the backend, save, and only then answer.

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

from habari_s3 import signature
from habari_s3.backend import Backend
from habari_s3.blobs import DamagedBlob
from habari_s3.entities import Entity
from habari_s3.journal import Journal
from habari_s3.request_parser import ParsedRequest, bucket_and_key, parse_request
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
        environ["RAW_URI"] = environ["REQUEST_URI"]
        method, path = environ["REQUEST_METHOD"], environ["RAW_URI"].split("?", 1)[0]
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
        service = "s3"
        try:
            signed = signature.parse(environ)
            service = signed.service
            return self._handle(environ, signed)
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

    def _handle(self, environ: dict[str, Any], signed: signature.SignatureInfo) -> Response:
        body = environ["wsgi.input"].read()
        if len(body) != int(environ.get("CONTENT_LENGTH") or len(body)):
            raise S3Error(400, "IncompleteBody", "The body is shorter than Content-Length says.")
        with self.lock:
            signature.verify(signed, environ, body, lambda key: self._secret_of(key, environ))
            parsed = parse_request(environ, signed.service, body)
            self._authorize(signed.key_id, environ, parsed)
            self._require_undamaged(environ, parsed)
            if not parsed.writes:
                return self.backend.handle_request(environ, parsed.service, body)
            return self._handle_write(environ, parsed, body)

    def _handle_write(
        self, environ: dict[str, Any], parsed: ParsedRequest, body: bytes
    ) -> Response:
        changed = parsed.entities
        try:
            response = self.backend.handle_request(environ, parsed.service, body)
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

    def _secret_of(self, key_id: str, environ: dict[str, Any]) -> str | None:
        if key_id == self.root.key_id:
            return self.root.secret
        return self.backend.iam.secret(key_id, _token(environ))

    def _authorize(self, key_id: str, environ: dict[str, Any], parsed: ParsedRequest) -> None:
        permissions = [each for each in parsed.permissions if each[0] != "sts:GetCallerIdentity"]
        if key_id == self.root.key_id or not permissions:
            return
        if not self.backend.iam.permits(key_id, _token(environ), permissions):
            code = "AccessDenied"
            raise S3Error(403, code, f"The key's policies do not allow {permissions[0][0]} here.")

    def _require_undamaged(self, environ: dict[str, Any], parsed: ParsedRequest) -> None:
        if not self.journal.damaged or parsed.writes or parsed.service != "s3":
            return
        bucket, key = bucket_and_key(environ["RAW_URI"])
        reason = self.journal.damaged.get(Entity("object", bucket, key))
        if reason:
            raise S3Error(500, "InternalError", f"The object is damaged on the disk: {reason}.")


def _token(environ: dict[str, Any]) -> dict[str, str]:
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    return {"X-Amz-Security-Token": token} if token else {}


def _now() -> str:
    return time.strftime("%H:%M:%S")
