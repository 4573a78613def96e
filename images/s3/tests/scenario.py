"""One of everything that S3 and IAM acknowledge, and the view of it that must not change."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Service

PART = 5 << 20  # bytes; S3's smallest part of an upload
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::lake"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"},
    ],
}
OBJECTS = (
    ("lake", "notebook.ipynb"),
    ("lake", "a b+%2F&?#/ü 🦒"),
    ("lake", "form"),
    ("lake", "large"),
    ("lake", "in parts"),
    ("lake", "copy"),
    ("lake", "tagged"),
    ("lake", "empty"),
    ("lake", "folder/"),
    ("versions", "v"),
)


def write(service: Service) -> tuple[str, str]:
    """Do one of everything; return the access key of the made user."""
    s3 = service.client()
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket="lake", Tagging={"TagSet": [{"Key": "team", "Value": "one"}]})
    _objects(s3)
    _uploads(s3)
    for number in range(3):
        s3.put_object(Bucket="versions", Key="v", Body=f"version {number}".encode())
    s3.put_object(Bucket="versions", Key="marked", Body=b"there")
    s3.delete_object(Bucket="versions", Key="marked")
    for key in ("gone", "gone & too"):
        s3.put_object(Bucket="lake", Key=key, Body=b"x")
    s3.put_object(Bucket="lake", Key="gone alone", Body=b"x")
    s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": "gone"}, {"Key": "gone & too"}]})
    s3.delete_object(Bucket="lake", Key="gone alone")
    return _user(service)


def _objects(s3: Any) -> None:
    kind = "application/x-ipynb+json"
    notebook = {"ContentType": kind, "Metadata": {"my_key": "one", "other-key": "two"}}
    s3.put_object(Bucket="lake", Key="notebook.ipynb", Body=b"old", **notebook)
    s3.put_object(Bucket="lake", Key="notebook.ipynb", Body=b'{"cells": []}\n', **notebook)
    s3.put_object(Bucket="lake", Key="a b+%2F&?#/ü 🦒", Body="ü".encode())
    form = "application/x-www-form-urlencoded"
    s3.put_object(Bucket="lake", Key="form", Body=b"key=value&x", ContentType=form)
    s3.put_object(Bucket="lake", Key="large", Body=bytes(range(256)) * 4096)
    s3.put_object(Bucket="lake", Key="tagged", Body=b"t", Tagging="a=b&c=d")
    s3.put_object(Bucket="lake", Key="empty", Body=b"")
    s3.put_object(Bucket="lake", Key="folder/", Body=b"")
    s3.copy_object(Bucket="lake", Key="copy", CopySource={"Bucket": "lake", "Key": "tagged"})


def _uploads(s3: Any) -> None:
    name = {"Bucket": "lake", "Key": "in parts"}
    id_ = s3.create_multipart_upload(**name)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(
                **name, UploadId=id_, PartNumber=number, Body=bytes([number]) * PART
            )["ETag"],
        }
        for number in (1, 2)
    ]
    s3.complete_multipart_upload(**name, UploadId=id_, MultipartUpload={"Parts": parts})
    name["Key"] = "unfinished"
    id_ = s3.create_multipart_upload(**name)["UploadId"]
    s3.upload_part(**name, UploadId=id_, PartNumber=1, Body=b"p" * PART)


def _user(service: Service) -> tuple[str, str]:
    iam = service.client("iam")
    iam.create_user(UserName="habari")
    policy = iam.create_policy(PolicyName="lake", PolicyDocument=json.dumps(POLICY))["Policy"]
    iam.attach_user_policy(UserName="habari", PolicyArn=policy["Arn"])
    iam.put_user_policy(UserName="habari", PolicyName="own", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="habari")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def view(service: Service) -> dict[str, Any]:
    """Return all that a client can see of what `write` made."""
    s3, iam = service.client(), service.client("iam")
    seen: dict[str, Any] = {}
    for bucket, key in OBJECTS:
        answer = s3.get_object(Bucket=bucket, Key=key)
        fields = ("ETag", "ContentType", "Metadata", "LastModified", "VersionId", "ContentLength")
        seen[key] = {"body": answer["Body"].read(), **{name: answer.get(name) for name in fields}}
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        seen[key]["tags"] = sorted(tags, key=str)
    for bucket in ("lake", "versions"):
        answer = s3.list_object_versions(Bucket=bucket)
        for kind in ("Versions", "DeleteMarkers"):
            fields = ("Key", "VersionId", "IsLatest")
            rows = answer.get(kind, ())
            seen[f"{bucket} {kind}"] = [[each[name] for name in fields] for each in rows]
    listed = s3.list_objects_v2(Bucket="lake")["Contents"]
    seen["list"] = [(each["Key"], each["Size"], each["ETag"]) for each in listed]
    for upload in s3.list_multipart_uploads(Bucket="lake")["Uploads"]:
        name = {"Bucket": "lake", "Key": upload["Key"], "UploadId": upload["UploadId"]}
        parts = s3.list_parts(**name)["Parts"]
        seen[upload["UploadId"]] = [(p["PartNumber"], p["ETag"], p["Size"]) for p in parts]
    seen["bucket tags"] = s3.get_bucket_tagging(Bucket="lake")["TagSet"]
    seen["buckets"] = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    seen["keys"] = iam.list_access_keys(UserName="habari")["AccessKeyMetadata"]
    seen["policies"] = iam.list_attached_user_policies(UserName="habari")["AttachedPolicies"]
    return seen


def go_on(service: Service, key: tuple[str, str]) -> None:
    """Check that what was begun before the restart can be ended after it."""
    s3 = service.client()
    upload = s3.list_multipart_uploads(Bucket="lake")["Uploads"][0]
    name = {"Bucket": "lake", "Key": upload["Key"], "UploadId": upload["UploadId"]}
    first = s3.list_parts(**name)["Parts"][0]["ETag"]
    last = s3.upload_part(**name, PartNumber=2, Body=b"end")["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": last}]
    s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    body = s3.get_object(Bucket="lake", Key="unfinished")["Body"].read()
    assert body == b"p" * PART + b"end"
    user = service.client(key=key)
    assert user.get_object(Bucket="lake", Key="empty")["Body"].read() == b""
    s3.delete_object(Bucket="versions", Key="v")
    assert "Contents" not in s3.list_objects_v2(Bucket="versions")
