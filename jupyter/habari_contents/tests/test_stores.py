"""What the S3 under test can do, against what is recorded of it and told in the README."""

from __future__ import annotations

import tomllib
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from .stores import STORE
from .world import hash_of

HERE = Path(__file__).parent
RECORDED = tomllib.loads((HERE / "stores.toml").read_text(encoding="utf-8"))
README = HERE.parent / "README.md"
BUCKET, OTHER = "habari-lake", '"00000000000000000000000000000000"'
UNKNOWN = {"NotImplemented", "501", "InvalidArgument", "InvalidRequest", "MalformedXML"}


class Probe:
    """One object, and each conditional request that must leave it as it is."""

    def __init__(self, s3) -> None:
        self.s3 = s3
        self.key = f"probe-{uuid.uuid4().hex}"
        self.at = {"Bucket": BUCKET, "Key": self.key}
        self.etag = s3.put_object(**self.at, Body=b"kept")["ETag"]
        self.source = {"Bucket": BUCKET, "Key": f"{self.key}-source"}
        s3.put_object(**self.source, Body=b"other")

    def put_absent(self):
        self.s3.put_object(**self.at, Body=b"new", IfNoneMatch="*")

    def put_match(self):
        self.s3.put_object(**self.at, Body=b"new", IfMatch=OTHER)

    def parts_absent(self):
        upload = {**self.at, "UploadId": self.s3.create_multipart_upload(**self.at)["UploadId"]}
        part = self.s3.upload_part(**upload, PartNumber=1, Body=b"new")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.s3.complete_multipart_upload(**upload, MultipartUpload=parts, IfNoneMatch="*")

    def copy_absent(self):
        self.s3.copy_object(**self.at, CopySource=self.source, IfNoneMatch="*")

    def copy_match(self):
        self.s3.copy_object(**self.at, CopySource=self.source, IfMatch=OTHER)

    def copy_source_match(self):
        self.s3.copy_object(**self.at, CopySource=self.source, CopySourceIfMatch=OTHER)

    def delete_match(self):
        self.s3.delete_object(**self.at, IfMatch=OTHER)

    def delete_many_match(self):
        one = {"Objects": [{"Key": self.key, "ETag": OTHER}]}
        errors = self.s3.delete_objects(Bucket=BUCKET, Delete=one).get("Errors", ())
        if errors:
            raise ClientError({"Error": errors[0]}, "DeleteObjects")

    def kept(self) -> bool:
        try:
            return self.s3.get_object(**self.at)["Body"].read() == b"kept"
        except self.s3.exceptions.NoSuchKey:
            return False


ASKED = [name for name in vars(Probe) if name not in {"kept"} and not name.startswith("_")]


def measured(s3, asked: str) -> str:
    probe = Probe(s3)
    try:
        getattr(probe, asked)()
    except ClientError as error:
        assert probe.kept(), asked
        return "refused" if error.response["Error"]["Code"] in UNKNOWN else "held"
    return "held" if probe.kept() else "ignored"


def test_conditions_are_what_is_recorded_of_this_store(s3):
    assert {asked: measured(s3, asked) for asked in ASKED} == RECORDED["conditions"][STORE]


def test_an_etag_is_the_md5_of_what_was_put(s3):
    """By it a save in doubt is seen to have landed."""
    assert Probe(s3).etag == hash_of(b"kept")


@pytest.mark.parametrize("store", RECORDED["conditions"])
def test_the_table_of_the_readme_is_what_is_recorded(store):
    rows = [
        line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("|")
    ]
    head = next(cells(row) for row in rows if "versitygw" in row)
    column = head.index(store)
    told = {cells(row)[0]: cells(row)[column] for row in rows if len(cells(row)) == len(head)}
    for asked, name in RECORDED["names"].items():
        assert told[name] == RECORDED["conditions"][store][asked], name


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]
