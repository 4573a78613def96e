"""moto as a backend: its S3, IAM and STS, called in this process without a web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from habari_s3 import moto_stubs

moto_stubs.install()

from botocore.exceptions import ClientError  # noqa: E402
from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, Request  # noqa: E402
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
from habari_s3.request_parser import bucket_and_key  # noqa: E402
from habari_s3.responses import Response, S3Error  # noqa: E402

Handler = Callable[[Request, str, dict[str, str]], tuple[int, dict[str, Any], Any]]


class _RawBodyRequest(Request):
    """A request whose body is never taken for a form: an object may have a form's content type."""

    from_wsgi_server = True
    form = ImmutableMultiDict()
    files = ImmutableMultiDict()


class MotoBackend:
    """moto, entity by entity; `iam` has its keys and policies."""

    name = "moto"

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

    def handle_request(self, environ: dict[str, Any], service: str, body: bytes) -> Response:
        """Return moto's answer to a request.

        Raises:
            S3Error: moto does not know this request.
        """
        environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ["wsgi.input_terminated"] = True
        environ.setdefault(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {})
        request = _RawBodyRequest(environ) if service == "s3" else _request(environ)
        request.get_data()  # kept by the request, so that nobody reads it as a form first
        handler = _handler(service, environ["RAW_URI"])
        try:
            status, headers, content = handler(request, request.raw_url, dict(request.headers))
        except ClientError as error:
            raise S3Error(400, "InvalidRequest", error.response["Error"]["Message"]) from error
        except HTTPException as error:
            headers = dict(error.get_headers() or [])
            status, content = error.code or 500, error.description or ""
        except NotImplementedError as error:
            raise S3Error(501, "NotImplemented", str(error)) from error
        data = content.encode() if isinstance(content, str) else bytes(content or b"")
        return Response(int(status), _header_list(headers), data)


def _request(environ: dict[str, Any]) -> Request:
    request = Request(environ)
    request.from_wsgi_server = True
    return request


def _handler(service: str, raw_uri: str) -> Handler:
    if service == "s3":
        return S3Response.key_dispatch if bucket_and_key(raw_uri)[1] else S3Response.bucket_dispatch
    if service == "iam":
        return IamResponse.dispatch
    if service == "sts":
        return TokenResponse.dispatch
    raise S3Error(501, "NotImplemented", f"{service} is not a service of this S3.")


def _header_list(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in headers.items() if name.lower() != "status"]
