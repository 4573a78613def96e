"""What an S3 request means: which IAM actions it needs, and which entities it changes.

Buckets are the first part of the path ("path style"). Sources: Amazon S3 API Reference, and Service
Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from habari_s3.entities import IAM, Entity
from habari_s3.responses import Response, S3Error

# Subresource in the query → what its action is named after Get or Put.
BUCKET_SUBRESOURCES = {
    "accelerate": "AccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "AnalyticsConfiguration",
    "cors": "BucketCORS",
    "encryption": "EncryptionConfiguration",
    "intelligent-tiering": "IntelligentTieringConfiguration",
    "inventory": "InventoryConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "MetricsConfiguration",
    "notification": "BucketNotification",
    "object-lock": "BucketObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "replication": "ReplicationConfiguration",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}
OBJECT_SUBRESOURCES = {
    "acl": "ObjectAcl",
    "attributes": "ObjectAttributes",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
}
# They would write objects behind the caller's back, or into other services: nothing could promise
# that those stay, so they are refused.
UNSUPPORTED_SUBRESOURCES = {"logging", "inventory", "notification", "replication"}
READ_ACTIONS = ("Get", "List", "Simulate", "Describe", "GenerateCredentialReport")
UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")


@dataclass(frozen=True)
class ParsedRequest:
    """A request: the permissions it needs (action, resource ARN) and what it changes."""

    service: str
    permissions: tuple[tuple[str, str], ...]
    writes: bool
    entities: tuple[Entity, ...] = ()
    creates_upload_in: str = field(default="")

    def changed_entities(self, answer: Response) -> tuple[Entity, ...]:
        """Return the entities that the answered request may have changed."""
        started = UPLOAD_ID.search(answer.body) if self.creates_upload_in else None
        if not started:
            return self.entities
        return (*self.entities, Entity("upload", self.creates_upload_in, started[1].decode()))


def parse_request(environ: Mapping[str, Any], service: str, body: bytes) -> ParsedRequest:
    """Return what a request to `service` ("s3", "iam", "sts") means.

    Raises:
        S3Error: this service could not keep what it asks for.
    """
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if service != "s3":
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        action = form.get("Action") or query.get("Action", "")
        writes = service == "iam" and not action.startswith(READ_ACTIONS)
        return ParsedRequest(
            service, ((f"{service}:{action}", "*"),), writes, (IAM,) if writes else ()
        )
    method = environ["REQUEST_METHOD"]
    bucket, key = bucket_and_key(environ["RAW_URI"])
    if not bucket:
        if method not in ("GET", "HEAD"):
            raise S3Error(405, "MethodNotAllowed", f"{method} of / is nothing that S3 knows.")
        return ParsedRequest("s3", (("s3:ListAllMyBuckets", "*"),), writes=False)
    if key:
        return _parse_object_request(
            method, bucket, key, query, environ.get("HTTP_X_AMZ_COPY_SOURCE", "")
        )
    return _parse_bucket_request(method, bucket, query, body)


def bucket_and_key(raw_uri: str) -> tuple[str, str]:
    """Return bucket and key of a request's path as it was sent; "" for what it does not name."""
    bucket, _, key = raw_uri.split("?", 1)[0].removeprefix("/").partition("/")
    return unquote(bucket), unquote(key)


def _parse_bucket_request(
    method: str, bucket: str, query: Mapping[str, str], body: bytes
) -> ParsedRequest:
    arn = f"arn:aws:s3:::{bucket}"
    entities = (Entity("bucket", bucket),)
    part = next((name for name in BUCKET_SUBRESOURCES if name in query), "")
    if method in ("GET", "HEAD"):
        action = f"Get{BUCKET_SUBRESOURCES[part]}" if part else "ListBucket"
        if "uploads" in query:
            action = "ListBucketMultipartUploads"
        elif "versions" in query:
            action = "ListBucketVersions"
        return ParsedRequest("s3", ((f"s3:{action}", arn),), writes=False)
    if method == "POST" and "delete" in query:
        keys = _keys_to_delete(body)
        permissions = tuple(("s3:DeleteObject", f"{arn}/{key}") for key in keys)
        return ParsedRequest(
            "s3", permissions, True, tuple(Entity("object", bucket, key) for key in keys)
        )
    if method not in ("PUT", "DELETE") or part in UNSUPPORTED_SUBRESOURCES:
        what = f"{method} of a bucket" + (f" with ?{part}" if part else "")
        raise S3Error(501, "NotImplemented", f"{what} would not survive a restart of this S3.")
    if part:
        gone = method == "DELETE" and part in ("policy", "website")
        action = f"{'Delete' if gone else 'Put'}{BUCKET_SUBRESOURCES[part]}"
    else:
        action = "CreateBucket" if method == "PUT" else "DeleteBucket"
    return ParsedRequest("s3", ((f"s3:{action}", arn),), True, entities)


def _parse_object_request(
    method: str, bucket: str, key: str, query: Mapping[str, str], source: str
) -> ParsedRequest:
    arn = f"arn:aws:s3:::{bucket}/{key}"
    upload = Entity("upload", bucket, query["uploadId"]) if "uploadId" in query else None
    if method in ("GET", "HEAD"):
        return ParsedRequest("s3", ((f"s3:{_read_action(query)}", arn),), writes=False)
    if method not in ("PUT", "POST", "DELETE"):
        raise S3Error(405, "MethodNotAllowed", f"{method} of an object is nothing that S3 knows.")
    if method == "POST" and "select" in query:
        return ParsedRequest("s3", (("s3:GetObject", arn),), writes=False)
    permissions = [(f"s3:{_write_action(method, query)}", arn)]
    if source:
        path = unquote(source.split("?versionId=", maxsplit=1)[0]).removeprefix("/")
        permissions.append(("s3:GetObject", f"arn:aws:s3:::{path}"))
    entities = [Entity("object", bucket, key)]
    if upload and method == "POST":
        entities.append(upload)
    elif upload:
        entities = [upload]
    elif method == "POST" and "uploads" in query:
        return ParsedRequest("s3", tuple(permissions), writes=True, creates_upload_in=bucket)
    return ParsedRequest("s3", tuple(permissions), True, tuple(entities))


def _read_action(query: Mapping[str, str]) -> str:
    if "uploadId" in query:
        return "ListMultipartUploadParts"
    part = next((name for name in OBJECT_SUBRESOURCES if name in query), "")
    return _versioned(f"Get{OBJECT_SUBRESOURCES[part]}" if part else "GetObject", query)


def _write_action(method: str, query: Mapping[str, str]) -> str:
    part = next((name for name in OBJECT_SUBRESOURCES if name in query), "")
    if method == "DELETE":
        if "uploadId" in query:
            return "AbortMultipartUpload"
        return _versioned("DeleteObjectTagging" if part == "tagging" else "DeleteObject", query)
    if "restore" in query:
        return "RestoreObject"
    return _versioned(f"Put{OBJECT_SUBRESOURCES[part]}" if part else "PutObject", query)


def _versioned(action: str, query: Mapping[str, str]) -> str:
    return action.replace("Object", "ObjectVersion", 1) if "versionId" in query else action


def _keys_to_delete(body: bytes) -> list[str]:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (expat has limits against entity bombs)
    except ElementTree.ParseError as error:
        raise S3Error(400, "MalformedXML", "The list of objects to delete is no XML.") from error
    found = [part.text or "" for part in root.iter() if part.tag.rpartition("}")[2] == "Key"]
    return list(dict.fromkeys(found))
