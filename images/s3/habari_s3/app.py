"""Owns the way of a request: who asks, may they, do it, keep it, and only then answer.

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
from habari_s3.request_parser import Call, names, understand
from habari_s3.responses import Refused, Response

HEALTH = "/_habari/health"


@dataclass(frozen=True)
class Root:
    """The key that may do everything."""

    key_id: str
    secret: str = field(repr=False)


class S3App:
    """The WSGI application: a backend behind a journal."""

    def __init__(self, backend: Backend, journal: Journal, root: Root) -> None:
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
            answer = self._health()
        else:
            answer = self._safely(environ)
            passed = (time.perf_counter() - start) * 1000
            size = environ.get("CONTENT_LENGTH") or len(answer.body)
            sys.stdout.write(f"{_now()} {method} {path} {answer.status} {size} B {passed:.1f} ms\n")
        headers = [each for each in answer.headers if each[0].lower() != "content-length"]
        if method == "HEAD":
            headers = answer.headers
        elif answer.status not in (204, 304):
            headers.append(("Content-Length", str(len(answer.body))))
        start_response(answer.line, headers)
        return [] if method == "HEAD" or answer.status in (204, 304) else [answer.body]

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

    def _safely(self, environ: dict[str, Any]) -> Response:
        service = "s3"
        try:
            signed = signature.read(environ)
            service = signed.service
            return self._answer(environ, signed)
        except Refused as refused:
            return refused.answer(service)
        except DamagedBlob as error:
            sys.stderr.write(f"{_now()} damaged: {error}\n")
            return Refused(500, "InternalError", "The object is damaged on the disk.").answer("s3")
        except Exception:  # noqa: BLE001 (a server goes on; the trace is in its log)
            traceback.print_exc()
            return Refused(500, "InternalError", "The S3 service failed; see its log.").answer(
                service
            )

    def _answer(self, environ: dict[str, Any], signed: signature.Signed) -> Response:
        body = environ["wsgi.input"].read()
        if len(body) != int(environ.get("CONTENT_LENGTH") or len(body)):
            raise Refused(400, "IncompleteBody", "The body is shorter than Content-Length says.")
        with self.lock:
            signature.check(signed, environ, body, lambda key: self._secret(key, environ))
            call = understand(environ, signed.service, body)
            self._authorize(signed.key_id, environ, call)
            self._refuse_damaged(environ, call)
            if not call.writes:
                return self.backend.call(environ, call.service, body)
            return self._keep(environ, call, body)

    def _keep(self, environ: dict[str, Any], call: Call, body: bytes) -> Response:
        touched = call.touches
        try:
            answer = self.backend.call(environ, call.service, body)
            touched = call.changes(answer)
            if answer.good:
                self.journal.save({entity: self.backend.read(entity) for entity in touched})
            else:
                self._undo(touched)
        except (OSError, sqlite3.Error) as error:
            self._undo(touched)
            sys.stderr.write(f"{_now()} not kept: {error}\n")
            raise Refused(507, "InsufficientStorage", f"Nothing was stored: {error}.") from error
        except BaseException:
            self._undo(touched)
            raise
        return answer

    def _undo(self, touched: Iterable[Entity]) -> None:
        for entity in touched:
            self.backend.write(entity, self.journal.get(entity))

    def _secret(self, key_id: str, environ: dict[str, Any]) -> str | None:
        if key_id == self.root.key_id:
            return self.root.secret
        return self.backend.iam.secret(key_id, _token(environ))

    def _authorize(self, key_id: str, environ: dict[str, Any], call: Call) -> None:
        needs = [need for need in call.needs if need[0] != "sts:GetCallerIdentity"]
        if key_id == self.root.key_id or not needs:
            return
        if not self.backend.iam.permits(key_id, _token(environ), needs):
            code = "AccessDenied"
            raise Refused(403, code, f"The key's policies do not allow {needs[0][0]} here.")

    def _refuse_damaged(self, environ: dict[str, Any], call: Call) -> None:
        if not self.journal.damaged or call.writes or call.service != "s3":
            return
        bucket, key = names(environ["RAW_URI"])
        reason = self.journal.damaged.get(Entity("object", bucket, key))
        if reason:
            raise Refused(500, "InternalError", f"The object is damaged on the disk: {reason}.")


def _token(environ: dict[str, Any]) -> dict[str, str]:
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    return {"X-Amz-Security-Token": token} if token else {}


def _now() -> str:
    return time.strftime("%H:%M:%S")
