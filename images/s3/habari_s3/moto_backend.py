"""moto as a backend: its S3, IAM and STS, called in this process without a web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from habari_s3 import moto_stubs

moto_stubs.install()

from botocore.exceptions import ClientError  # noqa: E402
from moto.core.request import (  # noqa: E402
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    Request,
    should_preserve_original_header_name,
)
from moto.iam.responses import IamResponse  # noqa: E402
from moto.s3.responses import S3Response  # noqa: E402
from moto.sts.responses import TokenResponse  # noqa: E402
from werkzeug.datastructures import ImmutableMultiDict  # noqa: E402
from werkzeug.exceptions import HTTPException  # noqa: E402

from habari_s3.blobs import BlobStore  # noqa: E402
from habari_s3.entities import Entity, Snapshot  # noqa: E402
from habari_s3.iam_state import IamState, disable_instance_tracking  # noqa: E402
from habari_s3.moto_state import S3State  # noqa: E402
from habari_s3.moto_stubs import ACCOUNT  # noqa: E402
from habari_s3.request_parser import BackendRequest  # noqa: E402
from habari_s3.responses import Response, S3Error  # noqa: E402
from habari_s3.wsgi_environ import wsgi_environ  # noqa: E402

Handler = Callable[[Request, str, dict[str, str]], tuple[int, dict[str, Any], Any]]


class _RawBodyRequest(Request):
    """A request whose body is never taken for a form: an object may have a form's content type."""

    form = ImmutableMultiDict()
    files = ImmutableMultiDict()


class MotoBackend:
    """moto, entity by entity; `iam` has its keys and policies."""

    name = "moto"
    account = ACCOUNT
    lacks = frozenset({"GetObjectRetention"})  # answered with the object

    def __init__(self, blobs: BlobStore) -> None:
        self.s3 = S3State(blobs)
        self.iam = IamState(ACCOUNT, blobs)
        disable_instance_tracking()

    def read(self, entity: Entity) -> Snapshot | None:
        """Return what memory holds of an entity; see `S3State.read`."""
        return self.iam.read() if entity.kind == "iam" else self.s3.read(entity)

    def write(self, entity: Entity, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot` of an entity, or nothing of it."""
        if entity.kind == "iam":
            self.iam.write(snapshot)
        else:
            self.s3.write(entity, snapshot)

    def handle_request(self, request: BackendRequest, credential: str) -> Response:
        """Return moto's answer to a request.

        Raises:
            S3Error: moto does not know this request.
        """
        environ = wsgi_environ(request, credential)
        environ["wsgi.input_terminated"] = True
        environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = {
            f"HTTP_{name.upper().replace('-', '_')}": name
            for name in request.headers
            if should_preserve_original_header_name(name)
        }
        made = _RawBodyRequest(environ) if request.service == "s3" else Request(environ)
        made.from_wsgi_server = True
        made.get_data()  # kept by the request, so that nobody reads it as a form first
        try:
            status, headers, content = _handler(request)(made, made.raw_url, dict(made.headers))
        except ClientError as error:
            raise S3Error(400, "InvalidRequest", error.response["Error"]["Message"]) from error
        except HTTPException as error:
            headers = dict(error.get_headers() or [])
            status, content = error.code or 500, error.description or ""
        except NotImplementedError as error:
            raise S3Error(501, "NotImplemented", str(error)) from error
        data = content.encode() if isinstance(content, str) else bytes(content or b"")
        return Response(int(status), _header_list(headers), data)

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""
        return name in self.s3.backend.buckets

    def etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of an object, without quotes; None if there is no such object."""
        there = self.s3.backend.buckets.get(bucket)
        versions = there.keys.getlist(key, []) if there else []
        found = getattr(versions[-1], "etag", None) if versions else None
        return found.strip('"') if found else None

    def key_of_upload(self, bucket: str, upload: str) -> str | None:
        """Return the key of an unfinished upload, None if there is no such upload."""
        there = self.s3.backend.buckets.get(bucket)
        found = there.multiparts.get(upload) if there else None
        return found.key_name if found else None


def _handler(request: BackendRequest) -> Handler:
    if request.service == "s3":
        return S3Response.key_dispatch if request.key else S3Response.bucket_dispatch
    return IamResponse.dispatch if request.service == "iam" else TokenResponse.dispatch


def _header_list(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in headers.items() if name.lower() != "status"]
