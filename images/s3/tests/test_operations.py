"""Each operation of S3 and STS that botocore's model has: who may call it, on both backends.

The requests are generated from the model, so an operation that a newer botocore knows is called,
too: it must be refused by its name until somebody decides what it needs.
"""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from habari_s3.permissions import RULES
from habari_s3.policy_evaluation import first_denied

from .conftest import Service
from .requests_by_hand import user_key
from .test_one_reading import servers_policy

SESSION = botocore.session.get_session()
MODELS = {name: SESSION.get_service_model(name) for name in ("s3", "sts")}
OPERATIONS = [(name, each) for name, found in MODELS.items() for each in found.operation_names]
# Written by hand, and not made from the gate's own table: what the servers' key is for.
TO_SERVERS = {
    *("HeadBucket", "ListObjects", "ListObjectsV2", "GetBucketLocation", "ListMultipartUploads"),
    *("GetObject", "HeadObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects"),
    *("CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"),
    *("AbortMultipartUpload", "ListParts"),
}
TO_EVERY_KEY = {"GetCallerIdentity"}
# Their request is that of another operation, which is the one that is served.
SAME_REQUEST = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
BUCKET = "operations"
NAMES: dict[str, Any] = {
    "Bucket": BUCKET,
    "Key": "k",
    "UploadId": "none",
    "CopySource": f"{BUCKET}/k",
    "PartNumber": 1,
}
STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
NAMES["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
VALUES: dict[str, Any] = {"integer": 1, "long": 1, "boolean": True, "blob": b"x", "double": 1.0}
VALUES |= {"timestamp": "2030-01-01T00:00:00Z", "float": 1.0, "string": "text-of-twenty-chars"}
REFUSED = {"AccessDenied", "NotImplemented", "403", "501"}


def example(shape: Shape, name: str, **given: Any) -> Any:
    """Return a value of a shape with what is required, and the names that are there."""
    if name in given:
        return given[name]
    if name in NAMES and shape.type_name in ("string", "integer"):
        return NAMES[name]
    if isinstance(shape, StructureShape):
        members = shape.members.items()
        wanted = {*shape.required_members, *list(shape.members)[:1]}
        return {key: example(each, key) for key, each in members if key in wanted}
    if isinstance(shape, ListShape):
        return [example(shape.member, name)]
    if isinstance(shape, MapShape):
        return {}
    enum = getattr(shape, "enum", None)
    return enum[0] if enum else VALUES[shape.type_name]


def arguments(service: str, operation: str, bucket: str) -> dict[str, Any]:
    """Return the arguments of an operation: those that it requires, about a bucket."""
    shape = MODELS[service].operation_model(operation).input_shape
    if shape is None:
        return {}
    given = {"Bucket": bucket, "CopySource": f"{bucket}/k"}
    body = shape.serialization.get("payload")
    needed = {*shape.required_members, *([body] if body else [])}
    return {key: example(shape.members[key], key, **given) for key in needed}


def names(service: str, operation: str) -> list[str]:
    """Return what an operation may be called in a refusal: LocalStack's botocore knows fewer."""
    query = MODELS[service].operation_model(operation).http["requestUri"].partition("?")[2]
    # The one operation that is signed for another service.
    other = ["s3-object-lambda"] if operation == "WriteGetObjectResponse" else []
    return [operation, *other, *([f"?{query}"] if query else [])]


def _to_this_host(request: Any, **_: Any) -> None:
    """Send it here: botocore puts a label before the host."""
    request.url = request.url.replace(f"//{VALUES['string']}.", "//")


class Callers:
    """The four who call: root, the servers' key, no key, and a user to whom nothing is allowed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.root = service.client()
        self.reset()
        nothing = {"Effect": "Deny", "Action": "x:y", "Resource": "*"}
        nobody = user_key(service, "another", {"Version": "2012-10-17", "Statement": [nothing]})
        servers = user_key(service, "operator", servers_policy(BUCKET))
        self.clients = {
            (who, name): self._client(name, key)
            for name in MODELS
            for who, key in {
                "servers": servers,
                "nobody": None,
                "another": nobody,
                "root": (),
            }.items()
        }

    def reset(self) -> None:
        """Have both buckets, and an object in each."""
        for bucket in (BUCKET, "other"):
            self.root.create_bucket(Bucket=bucket)
            self.root.put_object(Bucket=bucket, Key="k", Body=b"x")

    def _client(self, name: str, key: tuple[str, ...] | None) -> Any:
        client = self.service.client(name, *([key] if key else []))
        if key is None:
            config = client.meta.config.merge(Config(signature_version=UNSIGNED))
            url = self.service.url
            client = SESSION.create_client(name, "us-east-1", endpoint_url=url, config=config)
        client.meta.events.register("before-sign.s3.WriteGetObjectResponse", _to_this_host)
        return client

    def call(self, who: str, service: str, operation: str, bucket: str) -> str:
        """Return "" if the operation was done, or the code of the error, with what it says."""
        client = self.clients[who, service]
        try:
            client._make_api_call(operation, arguments(service, operation, bucket))
        except ClientError as error:
            found = error.response["Error"]
            return f"{found['Code']}: {found.get('Message', '')}"
        return ""


@pytest.fixture(scope="module")
def callers(each: Service) -> Callers:
    return Callers(each)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_who_may_do_what(callers: Callers, service: str, operation: str) -> None:
    meant = SAME_REQUEST.get(operation, operation)
    served = meant in RULES or meant in TO_EVERY_KEY
    said = {}
    for who in ("nobody", "another", "servers"):
        said[who] = callers.call(who, service, operation, BUCKET)
    other = callers.call("servers", service, operation, "other")
    allowed = {"servers"} if meant in TO_SERVERS else set()
    allowed |= {"servers", "another"} if meant in TO_EVERY_KEY else set()
    for who, answer in said.items():
        is_refused = answer.partition(":")[0] in REFUSED
        assert is_refused is (who not in allowed), (who, answer)
    assert other.partition(":")[0] in REFUSED or meant in TO_EVERY_KEY, other
    assert said["nobody"].partition(":")[0] in {"AccessDenied", "403"}
    if not served and MODELS[service].operation_model(operation).auth_type != "none":
        for answer in (said["another"], callers.call("root", service, operation, BUCKET)):
            assert answer.startswith("NotImplemented"), answer
            assert any(name in answer for name in names(service, operation)), answer


def test_what_is_served_is_done(callers: Callers) -> None:
    """Nothing of what is served ends in a refusal, or in a failure, of root's requests."""
    backend = callers.service.backend
    for service, operation in OPERATIONS:
        if operation in RULES or operation in TO_EVERY_KEY:
            said = callers.call("root", service, operation, BUCKET)
            assert "AccessDenied" not in said, (operation, said)
            lacks = operation == "GetObjectRetention" and backend == "moto"
            assert said.startswith(("NotImplemented", "501")) is lacks, (operation, said)
            assert not said.startswith(("500", "InternalError")), (operation, said)
            try:
                callers.reset()
            except ClientError as error:
                raise AssertionError((operation, callers.service.log[-60:])) from error


def test_the_servers_policy_allows_what_the_table_says() -> None:
    document = json.dumps(servers_policy(BUCKET))
    arns = (f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/k")
    for operation, rule in RULES.items():
        lacks = [first_denied([document], [(a, arn) for a in rule.actions]) for arn in arns]
        assert (None in lacks) is (operation in TO_SERVERS), operation
