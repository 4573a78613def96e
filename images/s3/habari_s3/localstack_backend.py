"""LocalStack as a backend: its providers of S3, IAM and STS, called in this process.

Its own web server and its guess which service a request is for are left out: the signature names
the service, and the guess alone costs 400 MB and ten seconds.
"""

from __future__ import annotations

import os
import shutil
from io import BytesIO
from typing import Any

from habari_s3.blobs import BlobStore
from habari_s3.entities import Entity, Snapshot
from habari_s3.responses import Response, S3Error

SENT_NAMES = "moto.preserved_header_names"
SERVICE = "habari.service"
ACCOUNT = "000000000000"


class LocalStackBackend:
    """LocalStack, entity by entity; `iam` has its keys and policies."""

    name = "localstack"

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

    def handle_request(self, environ: dict[str, Any], service: str, body: bytes) -> Response:
        """Return LocalStack's answer to a request.

        Raises:
            S3Error: the request is for a service that is not served.
        """
        if service not in ("s3", "iam", "sts"):
            raise S3Error(501, "NotImplemented", f"{service} is not a service of this S3.")
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.update({SERVICE: service, "rolo.headers": _headers(environ)})
        parts = self._application(
            environ, lambda status, headers: started.append((status, headers))
        )
        try:
            content = b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        status, headers = started[0]
        return Response(int(status.split()[0]), headers, content)


def _headers(environ: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return the headers with the names that they were sent with."""
    sent = environ.get(SENT_NAMES, {})
    found = {
        sent.get(key, key[5:].replace("_", "-").lower()): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        found["content-type"] = environ["CONTENT_TYPE"]
    found["content-length"] = environ["CONTENT_LENGTH"]
    return [(name.encode("latin-1"), str(value).encode("latin-1")) for name, value in found.items()]
