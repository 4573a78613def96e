"""What the gate allows is what the backend does: what once led past it, on both backends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from .conftest import Service
from .requests_by_hand import Answer, ByHand, code_of, user_key

OBJECT_ACTIONS = ("GetObject", "PutObject", "DeleteObject")
UPLOAD_ACTIONS = ("AbortMultipartUpload", "ListMultipartUploadParts")
BUCKET_ACTIONS = ("ListBucket", "GetBucketLocation", "ListBucketMultipartUploads")
STRANGE_KEYS = ("/", "//", "/a", "a//b", "a/", ".", "..", "../third/secret", ";", "a;b", "a?acl")
STRANGE_KEYS += ("a\nb", "a\r\nb", "\n", "%2F", "+ +", "a#b", "ü/🦒", "lake", "a&versionId=x")


def servers_policy(bucket: str) -> dict[str, Any]:
    """Return what habari_local/s3/policy.py gives to servers, for one bucket."""
    arn = f"arn:aws:s3:::{bucket}"
    of_objects = [f"s3:{name}" for name in (*OBJECT_ACTIONS, *UPLOAD_ACTIONS)]
    of_bucket = [f"s3:{name}" for name in BUCKET_ACTIONS]
    statements = [
        {"Effect": "Allow", "Action": of_bucket, "Resource": [arn]},
        {"Effect": "Allow", "Action": of_objects, "Resource": [f"{arn}/*"]},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


class Setting:
    """A service with the buckets `lake` and `third`, and the servers' key, which is for `lake`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.key = user_key(service, "servers", servers_policy("lake"))
        self.root = service.client()
        self.root.create_bucket(Bucket="third")
        self.root.put_object(Bucket="third", Key="secret", Body=b"theirs")
        self.user = service.client(key=self.key)
        self.by_hand = ByHand(service, self.key)

    def secret_is_there(self) -> bool:
        return bool(
            self.root.get_object(Bucket="third", Key="secret")["Body"].read() == b"theirs"
            and [each["Key"] for each in self.root.list_objects_v2(Bucket="third")["Contents"]]
            == ["secret"]
        )


@pytest.fixture(scope="module")
def made(each: Service) -> Setting:
    return Setting(each)


@pytest.fixture(autouse=True)
def _nothing_reached_the_third_bucket(made: Setting) -> Iterator[None]:
    yield
    assert made.secret_is_there()


def refused(answer: Answer, *codes: str) -> None:
    assert 400 <= answer.status < 500 or answer.status == 501, answer
    assert answer.code in codes, answer
    assert "theirs" not in answer.text


@pytest.mark.parametrize(
    "host",
    ["third.s3.amazonaws.com", "third.s3.localhost.localstack.cloud:4566", "third.localhost"],
)
def test_a_bucket_in_the_host_is_refused(made: Setting, host: str) -> None:
    for method, target in (("GET", "/secret"), ("PUT", "/lake/new"), ("DELETE", "/secret")):
        refused(made.by_hand.send(method, target, Host=host), "InvalidRequest")
    refused(made.by_hand.send("GET", "/lake/secret", Host="a b@third"), "InvalidRequest")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/lake?acl&uploads"),
        ("GET", "/lake?policy&uploads"),
        ("GET", "/lake?list-type=2&versions"),
        ("GET", "/lake/k?uploadId=x&acl"),
        ("GET", "/lake/k?uploadId=&partNumber=1"),
        ("GET", "/lake/k?retention&acl"),
        ("PUT", "/lake/k?renameObject"),
        ("PUT", "/lake/k?partNumber=1"),
        ("PUT", "/lake/k?versioning"),
        ("DELETE", "/lake/k?policy"),
        ("POST", "/lake/k?select&select-type=2"),
        ("POST", "/lake"),
        ("GET", "/lake?session"),
        ("GET", "/lake?analytics&id=x"),
        ("GET", "/lake?requestPayment"),
        ("GET", "/lake?no-such-thing"),
    ],
)
def test_a_request_is_one_operation(made: Setting, method: str, target: str) -> None:
    made.root.put_object(Bucket="lake", Key="k", Body=b"x")
    for by_hand in (made.by_hand, ByHand(made.service)):
        answer = by_hand.send(method, target)
        refused(answer, "NotImplemented")
        said = target.partition("?")[2].split("&")[0].split("=")[0].lower().replace("-", "")
        assert said in answer.text.lower().replace("-", ""), answer
    assert made.root.get_object(Bucket="lake", Key="k")["Body"].read() == b"x"


def test_a_parameter_is_there_once(made: Setting) -> None:
    for query in ("prefix=a&prefix=b", "acl&acl", "%70refix=a&prefix=b"):
        refused(made.by_hand.send("GET", f"/lake?{query}"), "InvalidArgument")


@pytest.mark.parametrize("target", ["//", "///", "//?acl", "///?policy", "/;", "/;?lifecycle"])
def test_a_path_without_a_bucket_is_no_list_of_buckets(made: Setting, target: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        refused(ByHand(made.service).send(method, target), "InvalidBucketName")


@pytest.mark.parametrize("path", ["/lake//", "/lake///", "/lake/%2F", "/lake/;"])
def test_what_is_asked_of_an_object_is_not_done_to_its_bucket(made: Setting, path: str) -> None:
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    made.by_hand.send("PUT", f"{path}?versioning", body)
    made.by_hand.send("PUT", f"{path}?policy", b"{}")
    made.by_hand.send("DELETE", f"{path}?lifecycle")
    assert made.by_hand.send("DELETE", path).status == 204
    assert "Status" not in made.root.get_bucket_versioning(Bucket="lake")
    assert code_of(made.root.get_bucket_policy, Bucket="lake") == "NoSuchBucketPolicy"
    made.root.head_bucket(Bucket="lake")


def test_strange_keys_are_keys(made: Setting) -> None:
    """Each can be written, read, copied, listed and deleted, by the servers' key and restarted."""
    user, bodies = made.user, {key: key.encode() for key in STRANGE_KEYS}
    for key, body in bodies.items():
        user.put_object(Bucket="lake", Key=key, Body=body)
        source = {"Bucket": "lake", "Key": key}
        user.copy_object(Bucket="lake", Key=f"copies/{key}", CopySource=source)
    made.service.restart()
    pages = made.user.get_paginator("list_objects_v2").paginate(Bucket="lake")
    listed = [one["Key"] for page in pages for one in page["Contents"]]
    for key, body in bodies.items():
        for each in (key, f"copies/{key}"):
            assert listed.count(each) == 1, each
            assert user.get_object(Bucket="lake", Key=each)["Body"].read() == body, each
    objects = [{"Key": each} for key in STRANGE_KEYS for each in (key, f"copies/{key}")]
    answer = user.delete_objects(Bucket="lake", Delete={"Objects": objects})
    assert "Errors" not in answer
    left = user.list_objects_v2(Bucket="lake").get("Contents", ())
    assert not {one["Key"] for one in left} & {each["Key"] for each in objects}


def test_deleting_a_version_needs_the_right_to(made: Setting) -> None:
    made.root.create_bucket(Bucket="versions")
    enabled = {"Status": "Enabled"}
    made.root.put_bucket_versioning(Bucket="versions", VersioningConfiguration=enabled)
    old = made.root.put_object(Bucket="versions", Key="k", Body=b"old")["VersionId"]
    made.root.put_object(Bucket="versions", Key="k", Body=b"new")
    policy = {"Effect": "Allow", "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]}
    statement = {**policy, "Resource": "arn:aws:s3:::*"}
    key = user_key(made.service, "deleter", {"Version": "2012-10-17", "Statement": statement})
    user = made.service.client(key=key)
    version = {"Key": "k", "VersionId": old}
    with pytest.raises(ClientError, match="s3:DeleteObjectVersion on arn:aws:s3:::versions/k"):
        user.delete_objects(Bucket="versions", Delete={"Objects": [version]})
    with pytest.raises(ClientError, match="s3:DeleteObjectVersion"):
        user.delete_object(Bucket="versions", **version)
    source = {"Bucket": "versions", **version}
    with pytest.raises(ClientError, match="s3:GetObjectVersion on arn:aws:s3:::versions/k"):
        user.copy_object(Bucket="versions", Key="copy", CopySource=source)
    with pytest.raises(ClientError, match="s3:BypassGovernanceRetention"):
        user.delete_objects(
            Bucket="versions", Delete={"Objects": [{"Key": "k"}]}, BypassGovernanceRetention=True
        )
    assert made.root.get_object(Bucket="versions", **version)["Body"].read() == b"old"


def test_a_list_of_deletions_is_read_once(made: Setting) -> None:
    made.root.put_object(Bucket="lake", Key="k", Body=b"x")
    for body in (
        b"<Delete><Object><Key>other</Key><Key>k</Key></Object></Delete>",
        b"<Delete><Object><Key>k</Key><VersionId>1</VersionId><VersionId/></Object></Delete>",
        b'<!DOCTYPE Delete [<!ENTITY k "k">]><Delete><Object><Key>&k;</Key></Object></Delete>',
        b"<Delete><Objects><Key>k</Key></Objects></Delete>",
        b"<Other><Object><Key>k</Key></Object></Other>",
        b"<Delete/>",
        b"no XML",
        b"",
    ):
        refused(made.by_hand.send("POST", "/lake?delete", body), "MalformedXML")
    sized = b"<Delete><Object><Key>k</Key><Size>1</Size></Object></Delete>"
    refused(made.by_hand.send("POST", "/lake?delete", sized), "NotImplemented")
    assert made.root.get_object(Bucket="lake", Key="k")["Body"].read() == b"x"


def test_a_list_of_deletions_is_for_the_objects_that_are_meant(made: Setting) -> None:
    """The contents manager deletes folders so: what was saved since must stay."""
    put = {name: made.root.put_object(Bucket="lake", Key=name, Body=b"x") for name in "ab"}
    objects = [{"Key": name, "ETag": answer["ETag"]} for name, answer in put.items()]
    objects.append({"Key": "gone", "ETag": "x"})
    made.root.put_object(Bucket="lake", Key="b", Body=b"newer")
    with pytest.raises(ClientError, match="b is another object"):
        made.user.delete_objects(Bucket="lake", Delete={"Objects": objects})
    for name, body in (("a", b"x"), ("b", b"newer")):
        assert made.root.get_object(Bucket="lake", Key=name)["Body"].read() == body
    objects[1]["ETag"] = made.root.head_object(Bucket="lake", Key="b")["ETag"]
    answer = made.user.delete_objects(Bucket="lake", Delete={"Objects": objects})
    assert "Errors" not in answer
    for name in "ab":
        assert code_of(made.root.head_object, Bucket="lake", Key=name) == "404"


def test_an_upload_is_of_its_key(made: Setting) -> None:
    own = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::lake/own/*"}
    key = user_key(made.service, "own", {"Version": "2012-10-17", "Statement": [own]})
    user = made.service.client(key=key)
    upload = made.root.create_multipart_upload(Bucket="lake", Key="theirs")["UploadId"]
    name = {"Bucket": "lake", "Key": "own/x", "UploadId": upload}
    assert code_of(user.list_parts, **name) == "NoSuchUpload"
    assert code_of(user.upload_part, **name, PartNumber=1, Body=b"x") == "NoSuchUpload"
    assert code_of(user.abort_multipart_upload, **name) == "NoSuchUpload"
    assert made.root.list_multipart_uploads(Bucket="lake")["Uploads"][0]["UploadId"] == upload
    made.root.abort_multipart_upload(Bucket="lake", Key="theirs", UploadId=upload)


def test_headers_do_only_what_is_allowed(made: Setting) -> None:
    user, new = made.user, {"Bucket": "lake", "Key": "k", "Body": b"x"}
    denied: list[tuple[str, dict[str, Any]]] = [
        ("s3:PutObjectAcl", {"ACL": "public-read"}),
        ("s3:PutObjectTagging", {"Tagging": "a=b"}),
        ("s3:PutObjectLegalHold", {"ObjectLockLegalHoldStatus": "ON"}),
    ]
    for action, more in denied:
        with pytest.raises(ClientError, match=f"{action} on arn:aws:s3:::lake/k"):
            user.put_object(**new, **more)
    assert code_of(user.put_object, **new, ExpectedBucketOwner="111111111111") == "AccessDenied"
    send = made.by_hand.send
    refused(send("PUT", "/lake/k", x_amz_rename_source="/lake/other"), "NotImplemented")
    source = f"arn:aws:s3:us-east-1:1:accesspoint/a/object/{quote('k')}"
    refused(send("PUT", "/lake/k", x_amz_copy_source=source), "InvalidArgument")


def test_no_other_account_or_partition_is_reached(made: Setting) -> None:
    """Those have buckets of their own, in which nothing is kept."""
    root = ByHand(made.service)
    assert root.send("PUT", "/lake/k", b"x", unsigned={"X-Moto-Account-Id": "1" * 12}).status == 200
    assert made.root.get_object(Bucket="lake", Key="k")["Body"].read() == b"x"
    for region in ("cn-north-1", "us-gov-west-1", "../x", ""):
        elsewhere = ByHand(made.service, scope=(region, "s3"))
        refused(elsewhere.send("PUT", "/elsewhere"), "AuthorizationHeaderMalformed")
    refused(ByHand(made.service, scope=("us-east-1", "ec2")).send("GET", "/"), "NotImplemented")


def test_sts_and_iam_have_one_action(made: Setting) -> None:
    sts = ByHand(made.service, made.key, ("us-east-1", "sts"))
    role = "RoleArn=arn:aws:iam::123456789012:role/x&RoleSessionName=x"
    caller, assume = "Action=GetCallerIdentity&Version=2011-06-15", f"Action=AssumeRole&{role}"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for body in (f"{assume}&{caller}", f"{caller}&{assume}"):
        refused(sts.send("POST", "/", body.encode(), **form), "InvalidArgument")
    mixed = sts.send("POST", f"/?{assume}", caller.encode(), **form)
    refused(mixed, "InvalidParameterCombination")
    refused(sts.send("POST", "/", assume.encode(), **form), "NotImplemented")
    refused(sts.send("POST", "/", f"{caller}&{role}".encode(), **form), "NotImplemented")
    refused(sts.send("POST", "/lake/k", caller.encode(), **form), "MethodNotAllowed")
    assert sts.send("POST", "/", caller.encode(), **form).status == 200
    assert sts.send("GET", f"/?{caller}").status == 200
    iam = ByHand(made.service, made.key, ("us-east-1", "iam"))
    listed = "Action=ListUsers&Version=2010-05-08"
    refused(iam.send("POST", "/", listed.encode(), **form), "AccessDenied")
    both = f"{listed}&Action=GetUser"
    refused(iam.send("POST", "/", both.encode(), **form), "InvalidArgument")


def test_a_refused_copy_names_the_action_that_lacks(made: Setting) -> None:
    copy = {"Bucket": "lake", "Key": "stolen", "CopySource": "third/secret"}
    with pytest.raises(ClientError, match="allow s3:GetObject on arn:aws:s3:::third/secret"):
        made.user.copy_object(**copy)
    with pytest.raises(ClientError, match="allow s3:PutObject on arn:aws:s3:::third/new"):
        made.user.copy_object(Bucket="third", Key="new", CopySource="lake/k")


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/lake?max-keys=x", {}),
        ("/lake?max-keys=-1", {}),
        ("/lake?max-keys=%D9%A1", {}),
        ("/lake?encoding-type=other", {}),
        ("/lake/k?partNumber=x", {}),
        ("/lake/%ff", {}),
        ("/lake/%zz", {}),
        ("/lake/k?versionId=%ff", {}),
        ("/lake/k", {"If_Modified_Since": "yesterday"}),
        ("/lake/k", {"Host": "[x"}),
    ],
)
def test_nonsense_is_the_clients_fault(made: Setting, target: str, headers: dict[str, str]) -> None:
    answer = ByHand(made.service).send("GET", target, **headers)
    assert answer.status == 400, answer
