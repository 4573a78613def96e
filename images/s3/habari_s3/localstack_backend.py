"""LocalStack as a backend: its providers of S3, IAM and STS, called in this process.

Its own web server and its guess which service a request is for are left out: the signature names
the service, and the guess alone costs 400 MB and ten seconds.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from habari_s3.blobs import BlobStore
from habari_s3.entities import Entity, Snapshot
from habari_s3.request_parser import BackendRequest
from habari_s3.responses import Response
from habari_s3.wsgi_environ import wsgi_environ

REQUEST = "habari.request"
ACCOUNT = "000000000000"


class LocalStackBackend:
    """LocalStack, entity by entity; `iam` has its keys and policies."""

    name = "localstack"
    account = ACCOUNT
    lacks: frozenset[str] = frozenset()

    def __init__(self, blobs: BlobStore) -> None:
        temporary = blobs.folder.parent / "temporary"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)
        os.environ.update(
            FILESYSTEM_ROOT=str(temporary),
            DISABLE_EVENTS="1",
            SKIP_SSL_CERT_DOWNLOAD="1",
            SERVICES="s3,iam,sts",
            MOTO_ACCOUNT_ID=ACCOUNT,
        )
        from habari_s3.iam_state import IamState, disable_instance_tracking
        from habari_s3.localstack_gateway import make_application
        from habari_s3.localstack_state import S3State

        self._s3 = S3State(ACCOUNT, blobs, temporary)
        self._application = make_application(self._s3.objects, ACCOUNT)
        self.iam = IamState(ACCOUNT, blobs)
        disable_instance_tracking()

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity; see `S3State.read`."""
        return self.iam.read() if entity.kind == "iam" else self._s3.read(entity)

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""
        if entity.kind == "iam":
            self.iam.write(snapshot)
        else:
            self._s3.write(entity, snapshot)

    def handle_request(self, request: BackendRequest, credential: str) -> Response:
        """Return LocalStack's answer to a request."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environ = wsgi_environ(request, credential)
        headers = {**request.headers, **_of_environ(environ)}
        environ[REQUEST] = request
        environ["rolo.headers"] = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]
        parts = self._application(
            environ, lambda status, headers: started.append((status, headers))
        )
        try:
            content = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, answered = started[0]
        return Response(int(status.split()[0]), answered, content)

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""
        return self._s3.has_bucket(name)

    def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object, without quotes; None if there is no such object."""
        return self._s3.etag(bucket, key)

    def key_of_upload(self, bucket: str, upload: str) -> str | None:
        """Return the key of an unfinished upload, None if there is no such upload."""
        return self._s3.key_of_upload(bucket, upload)


def _of_environ(environ: dict[str, Any]) -> dict[str, str]:
    """Return the headers that a request gets here."""
    return {
        "host": environ["HTTP_HOST"],
        "authorization": environ["HTTP_AUTHORIZATION"],
        "content-length": environ["CONTENT_LENGTH"],
    }
