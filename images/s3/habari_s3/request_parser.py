"""What a request means: the operation, the IAM actions it needs, the entities that it changes.

What is understood becomes a new request, and only that one reaches a backend: path-style with the
key in one escaped part, the operation's own parameters once, its own headers, a body built anew.
What is not understood is refused. Buckets are the first part of the path. Sources: Amazon S3 API
Reference; AWS Query protocol.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from botocore.model import StructureShape

from habari_s3 import policy_evaluation, service_model, xml_body
from habari_s3.entities import IAM, Entity
from habari_s3.http_request import HTTPRequest, decode, pairs_once
from habari_s3.permissions import ACL_HEADERS, OF_BUCKET_HEADERS, OF_OBJECT_HEADERS, RULES, Rule
from habari_s3.responses import Response, S3Error
from habari_s3.service_model import Operation
from habari_s3.signature import SIGNATURE_HEADERS, SIGNATURE_PARAMETERS

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_KEYS_TO_DELETE = 1000
READ_ACTIONS = ("Get", "List", "Simulate", "Describe", "GenerateCredentialReport")
# What STS does besides makes keys that would not survive a restart.
STS_ACTION = "GetCallerIdentity"
UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
ANYTHING = "*"
# Headers that say something of the way here, or of the client, and nothing to S3.
PASSING = {"x-amz-decoded-content-length", "x-amz-trailer", "x-amz-user-agent"}
OWNER_HEADERS = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
# The parts of an upload that is ended, and a body that is built anew, have other checksums.
CHECKED: Mapping[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
}


@dataclass(frozen=True)
class BackendRequest:
    """The request that a backend gets: `path` and `query` are escaped, header names lower-case."""

    service: str
    operation: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    bucket: str = ""
    key: str = ""


@dataclass(frozen=True)
class ParsedRequest:
    """A request: the permissions it needs (action, resource ARN) and what it changes.

    `upload`: the id of the upload that it is about, "" for none. `expected`: key → ETag of the
    objects that it deletes if they are still the same.
    """

    canonical: BackendRequest
    permissions: tuple[tuple[str, str], ...]
    writes: bool
    entities: tuple[Entity, ...] = ()
    creates_upload_in: str = field(default="")
    upload: str = ""
    expected: Mapping[str, str] = field(default_factory=dict)

    def changed_entities(self, answer: Response) -> tuple[Entity, ...]:
        """Return the entities that the answered request may have changed."""
        started = UPLOAD_ID.search(answer.body) if self.creates_upload_in else None
        if not started:
            return self.entities
        return (*self.entities, Entity("upload", self.creates_upload_in, started[1].decode()))


def parse_request(
    request: HTTPRequest, service: str, body: bytes, trailer: Mapping[str, str], account: str
) -> ParsedRequest:
    """Return what a signed request to `service` ("s3", "iam", "sts") means.

    Args:
        request: the request, as it came.
        service: the service that it is signed for.
        body: its body without chunks.
        trailer: the headers behind the chunks.
        account: the account that all buckets are of.

    Raises:
        S3Error: it is not one operation, or one that is not served.
    """
    if service != "s3":
        return _parse_query_protocol(request, service, body)
    bucket, key = bucket_and_key(request.path)
    parameters, headers = _split(request, trailer)
    operation = service_model.find(request.method, _kind(request, bucket, key), parameters, headers)
    rule = RULES.get(operation.name)
    if rule is None:
        raise S3Error(501, "NotImplemented", f"{operation.name} is not served by this S3.")
    parameters.pop("x-id", None)
    _require_owner(headers, account)
    headers = _understood(operation, headers)
    _check_values(operation, parameters)
    value, body = _parse_body(operation, headers, body)
    _refuse_unserved(operation.name, value)
    permissions = _permissions(operation, rule, bucket, key, parameters, value)
    permissions += _of_headers(operation, headers, bucket, key)
    if "x-amz-copy-source" in headers:
        read, headers["x-amz-copy-source"] = _parse_copy_source(headers["x-amz-copy-source"])
        permissions += (read,)
    canonical = BackendRequest(
        "s3",
        operation.name,
        request.method,
        f"/{quote(bucket, safe='')}" + (f"/{quote(key, safe='')}" if key else ""),
        _query(operation, parameters),
        headers,
        body,
        bucket,
        key,
    )
    upload = parameters.get("uploadId", "")
    entities = _changed(rule, bucket, key, upload, value)
    new = bucket if rule.changes == "new upload" else ""
    needed, expected = tuple(dict.fromkeys(permissions)), _expected(value)
    return ParsedRequest(canonical, needed, bool(rule.changes), entities, new, upload, expected)


def bucket_and_key(path: str) -> tuple[str, str]:
    """Return bucket and key of a request's path as it was sent; "" for what it does not name.

    Raises:
        S3Error: what it names as a bucket can't be one.
    """
    bucket, _, key = path.removeprefix("/").partition("/")
    name = decode(bucket)
    if path != "/" and not BUCKET_NAME.fullmatch(name):
        if path == "/WriteGetObjectResponse":
            return "", ""
        raise S3Error(400, "InvalidBucketName", f"{name[:80]!r} is not the name of a bucket.")
    return name, decode(key)


def _kind(request: HTTPRequest, bucket: str, key: str) -> str:
    if not bucket:
        return request.path
    return "/{Bucket}/{Key+}" if key else "/{Bucket}"


def _split(
    request: HTTPRequest, trailer: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return parameters and headers without those of the signature.

    A presigned URL may have headers of S3 among its parameters; each is there once.
    """
    parameters: dict[str, str] = {}
    headers = {k: v for k, v in request.headers.items() if k not in SIGNATURE_HEADERS}
    more = list(trailer.items())
    for name, value in request.parameters.items():
        if name in SIGNATURE_PARAMETERS:
            continue
        if name.lower().startswith("x-amz-"):
            more.append((name.lower(), value))
        else:
            parameters[name] = value
    for name, value in more:
        if name in headers:
            raise S3Error(400, "InvalidArgument", f"{name} is there more than once.")
        headers[name] = value
    return parameters, headers


def _require_owner(headers: Mapping[str, str], account: str) -> None:
    for name in OWNER_HEADERS:
        if headers.get(name, account) != account:
            raise S3Error(403, "AccessDenied", f"{name}: the buckets are of account {account}.")


def _understood(operation: Operation, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that mean something to the operation."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        checksum = name.startswith("x-amz-checksum-") or name == "content-md5"
        if operation.takes_header(name) or (checksum and operation.body is not None):
            shape = operation.headers.get(name)
            if shape is not None and name != "content-length":
                service_model.check_value("The header", name, value, shape)
            found[name] = value
        elif name.startswith("x-amz-") and name not in PASSING:
            said = f"{operation.name} with the header {name[:60]}"
            raise S3Error(501, "NotImplemented", f"{said} is nothing that this S3 knows.")
    for name in (*OWNER_HEADERS, "content-length"):
        found.pop(name, None)
    if encodings := found.pop("content-encoding", ""):
        left = [each for each in encodings.split(",") if each.strip() != "aws-chunked"]
        if left:
            found["content-encoding"] = ",".join(left).strip()
    return found


def _check_values(operation: Operation, parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        if name in operation.parameters:
            service_model.check_value("The parameter", name, value, operation.parameters[name])


def _parse_body(operation: Operation, headers: dict[str, str], body: bytes) -> tuple[Any, bytes]:
    """Return what the body says, None for bytes, and a body built anew; none where none is due."""
    shape = operation.body
    if shape is None:
        return None, b""
    structured = isinstance(shape, StructureShape)
    if not (structured and operation.name == "CompleteMultipartUpload"):
        _check_sums(headers, body)
    if operation.name == "PutBucketPolicy":
        try:
            policy_evaluation.check(body.decode())
        except ValueError as error:
            raise S3Error(400, "MalformedPolicy", f"The body is no policy: {error}.") from error
    if not structured:
        return None, body
    if operation.name != "CompleteMultipartUpload":
        for name in [n for n in headers if n == "content-md5" or n.startswith("x-amz-checksum-")]:
            del headers[name]
    headers.pop("x-amz-sdk-checksum-algorithm", None)
    if not body and (operation.name == "CreateBucket" or any(n in headers for n in ACL_HEADERS)):
        return {}, b""
    value = xml_body.parse(body, shape)
    return value, xml_body.build(_without_conditions(value), shape)


def _expected(value: Any) -> dict[str, str]:
    objects = (value or {}).get("Objects", ())  # of a list of deletions alone
    return {one["Key"]: one["ETag"] for one in objects if "ETag" in one}


def _without_conditions(value: Any) -> Any:
    """Return a body without ETags of what is to be deleted: the app compares them itself."""
    if "Objects" not in value:
        return value
    kept = [{k: v for k, v in one.items() if k != "ETag"} for one in value["Objects"]]
    return {**value, "Objects": kept}


def _refuse_unserved(name: str, value: Any) -> None:
    """Refuse what a backend would not do of what a body asks for, or would do elsewhere."""
    asked = set(value or ()) if name == "CreateBucket" else set()
    if name == "DeleteObjects":
        asked = {element for one in value.get("Objects", ()) for element in one}
    if left := asked - {"LocationConstraint", "Key", "VersionId", "ETag"}:
        told = ", ".join(sorted(left))
        raise S3Error(501, "NotImplemented", f"{name} with {told} is not served by this S3.")


def _check_sums(headers: Mapping[str, str], body: bytes) -> None:
    for name, digest in CHECKED.items():
        if name not in headers:
            continue
        try:
            given = base64.b64decode(headers[name], validate=True)
        except binascii.Error as error:
            raise S3Error(400, "InvalidDigest", f"{name} is not in base64.") from error
        if given != digest(body):
            raise S3Error(400, "BadDigest", f"{name} is not that of the body.")


def _permissions(
    operation: Operation,
    rule: Rule,
    bucket: str,
    key: str,
    parameters: Mapping[str, str],
    value: Any,
) -> tuple[tuple[str, str], ...]:
    if operation.name == "DeleteObjects":
        return _of_deletions(rule, value, bucket)
    arn = _arn(bucket, key) if bucket else ANYTHING
    versioned = "versionId" in parameters and rule.version
    return tuple((action, arn) for action in (rule.version if versioned else rule.actions))


def _arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")


def _of_headers(
    operation: Operation, headers: Mapping[str, str], bucket: str, key: str
) -> tuple[tuple[str, str], ...]:
    if operation.method in {"GET", "HEAD"}:
        return ()
    key = "*" if operation.name == "DeleteObjects" else key
    actions, arn = OF_OBJECT_HEADERS if key else OF_BUCKET_HEADERS, _arn(bucket, key)
    return tuple((action, arn) for name, action in actions.items() if name in headers)


def _of_deletions(rule: Rule, value: Any, bucket: str) -> tuple[tuple[str, str], ...]:
    objects = value.get("Objects", [])
    if not 0 < len(objects) <= MAX_KEYS_TO_DELETE or not all(one.get("Key") for one in objects):
        raise S3Error(400, "MalformedXML", f"1 to {MAX_KEYS_TO_DELETE} objects were expected.")
    return tuple(
        (action, _arn(bucket, one["Key"]))
        for one in objects
        for action in (rule.version if "VersionId" in one else rule.actions)
    )


def _parse_copy_source(source: str) -> tuple[tuple[str, str], str]:
    """Return the permission that reading the source needs, and the source built anew."""
    path, _, version = source.partition("?versionId=")
    try:
        bucket, key = bucket_and_key("/" + path.removeprefix("/"))
    except S3Error:
        bucket = key = ""
    if not bucket or not key or "?" in path or "&" in version or not path.isascii():
        raise S3Error(
            400, "InvalidArgument", "x-amz-copy-source is not /BUCKET/KEY or …?versionId=ID."
        )
    action = "s3:GetObjectVersion" if version else "s3:GetObject"
    canonical = f"{bucket}/{quote(key, safe='')}"
    if version:
        canonical += f"?versionId={quote(decode(version), safe='')}"
    return (action, _arn(bucket, key)), canonical


def _query(operation: Operation, parameters: Mapping[str, str]) -> str:
    """Return the query: what names the operation first, then the rest in order."""
    pairs = [(name, parameters[name]) for name in sorted(parameters.keys() - operation.markers)]
    return urlencode([*operation.markers.items(), *pairs], quote_via=quote, safe="")


def _changed(rule: Rule, bucket: str, key: str, upload: str, value: Any) -> tuple[Entity, ...]:
    if rule.changes == "bucket":
        return (Entity("bucket", bucket),)
    if rule.changes == "upload":
        return (Entity("upload", bucket, upload),)
    if rule.changes == "ended upload":
        return (Entity("object", bucket, key), Entity("upload", bucket, upload))
    if rule.changes == "object" and not key:
        keys = dict.fromkeys(one["Key"] for one in value["Objects"])
        return tuple(Entity("object", bucket, each) for each in keys)
    return (Entity("object", bucket, key),) if rule.changes == "object" else ()


def _parse_query_protocol(request: HTTPRequest, service: str, body: bytes) -> ParsedRequest:
    """Read IAM's and STS's requests: one form, in the body of a POST or the query of a GET."""
    if request.path != "/" or request.method not in ("GET", "POST"):
        raise S3Error(405, "MethodNotAllowed", f"{service} takes GET and POST of / alone.")
    query = {k: v for k, v in request.parameters.items() if k not in SIGNATURE_PARAMETERS}
    try:
        form = pairs_once(body.decode(), "The parameter")
    except UnicodeDecodeError as error:
        raise S3Error(400, "InvalidParameterValue", "The form is not UTF-8.") from error
    if query and form:
        raise S3Error(400, "InvalidParameterCombination", "Parameters in query and body.")
    form = form or query
    model = service_model.model(service)
    action = form.get("Action", "")
    if action not in model.operation_names:
        raise S3Error(400, "InvalidAction", f"{action[:60]!r} is no action of {service}.")
    if form.get("Version", model.api_version) != model.api_version:
        raise S3Error(400, "InvalidParameterValue", f"Version is not {model.api_version}.")
    if service == "sts" and action != STS_ACTION:
        raise S3Error(501, "NotImplemented", f"{action}: its keys would not survive a restart.")
    shape: Any = model.operation_model(action).input_shape
    unknown = {name.split(".")[0] for name in form} - {"Action", "Version", *_members(shape)}
    if unknown:
        told = ", ".join(sorted(unknown))[:120]
        raise S3Error(501, "NotImplemented", f"{action} with {told} is nothing that {service} has.")
    writes = service == "iam" and not action.startswith(READ_ACTIONS)
    canonical = BackendRequest(
        service,
        action,
        "POST",
        "/",
        "",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
        urlencode({**form, "Version": model.api_version}).encode(),
    )
    permission = (f"{service}:{action}", ANYTHING)
    return ParsedRequest(canonical, (permission,), writes, (IAM,) if writes else ())


def _members(shape: Any) -> set[str]:
    members = shape.members if isinstance(shape, StructureShape) else {}
    return {str(member.serialization.get("name", key)) for key, member in members.items()}
