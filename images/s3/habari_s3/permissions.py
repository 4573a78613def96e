"""Which operations of S3 are served: the IAM actions that each needs, and what it changes.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
An operation of botocore's model that is not here is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Changes = Literal["", "bucket", "object", "upload", "new upload", "ended upload"]


@dataclass(frozen=True)
class Rule:
    """What an operation needs on its bucket or object, and what it changes.

    `version`: the actions that it needs instead when it is about a version (`versionId`).
    """

    actions: tuple[str, ...]
    changes: Changes = ""
    version: tuple[str, ...] = ()


def _reads(action: str) -> Rule:
    return Rule((f"s3:{action}",))


def _sets(action: str) -> Rule:
    return Rule((f"s3:{action}",), "bucket")


def _of_object(*names: str, changes: Changes = "") -> Rule:
    version = tuple(f"s3:{name.replace('Object', 'ObjectVersion', 1)}" for name in names)
    return Rule(tuple(f"s3:{name}" for name in names), changes, version)


RULES: Mapping[str, Rule] = {
    "ListBuckets": _reads("ListAllMyBuckets"),
    # Buckets
    "HeadBucket": _reads("ListBucket"),
    "ListObjects": _reads("ListBucket"),
    "ListObjectsV2": _reads("ListBucket"),
    "ListObjectVersions": _reads("ListBucketVersions"),
    "ListMultipartUploads": _reads("ListBucketMultipartUploads"),
    "GetBucketAccelerateConfiguration": _reads("GetAccelerateConfiguration"),
    "GetBucketAcl": _reads("GetBucketAcl"),
    "GetBucketCors": _reads("GetBucketCORS"),
    "GetBucketEncryption": _reads("GetEncryptionConfiguration"),
    "GetBucketLifecycleConfiguration": _reads("GetLifecycleConfiguration"),
    "GetBucketLocation": _reads("GetBucketLocation"),
    "GetBucketLogging": _reads("GetBucketLogging"),
    "GetBucketNotificationConfiguration": _reads("GetBucketNotification"),
    "GetBucketOwnershipControls": _reads("GetBucketOwnershipControls"),
    "GetBucketPolicy": _reads("GetBucketPolicy"),
    "GetBucketPolicyStatus": _reads("GetBucketPolicyStatus"),
    "GetBucketReplication": _reads("GetReplicationConfiguration"),
    "GetBucketTagging": _reads("GetBucketTagging"),
    "GetBucketVersioning": _reads("GetBucketVersioning"),
    "GetBucketWebsite": _reads("GetBucketWebsite"),
    "GetObjectLockConfiguration": _reads("GetBucketObjectLockConfiguration"),
    "GetPublicAccessBlock": _reads("GetBucketPublicAccessBlock"),
    "CreateBucket": _sets("CreateBucket"),
    "DeleteBucket": _sets("DeleteBucket"),
    "PutBucketAccelerateConfiguration": _sets("PutAccelerateConfiguration"),
    "PutBucketAcl": _sets("PutBucketAcl"),
    "PutBucketCors": _sets("PutBucketCORS"),
    "DeleteBucketCors": _sets("PutBucketCORS"),
    "PutBucketEncryption": _sets("PutEncryptionConfiguration"),
    "DeleteBucketEncryption": _sets("PutEncryptionConfiguration"),
    "PutBucketLifecycleConfiguration": _sets("PutLifecycleConfiguration"),
    "DeleteBucketLifecycle": _sets("PutLifecycleConfiguration"),
    "PutBucketOwnershipControls": _sets("PutBucketOwnershipControls"),
    "DeleteBucketOwnershipControls": _sets("PutBucketOwnershipControls"),
    "PutBucketPolicy": _sets("PutBucketPolicy"),
    "DeleteBucketPolicy": _sets("DeleteBucketPolicy"),
    "PutBucketTagging": _sets("PutBucketTagging"),
    "DeleteBucketTagging": _sets("PutBucketTagging"),
    "PutBucketVersioning": _sets("PutBucketVersioning"),
    "PutBucketWebsite": _sets("PutBucketWebsite"),
    "DeleteBucketWebsite": _sets("DeleteBucketWebsite"),
    "PutObjectLockConfiguration": _sets("PutBucketObjectLockConfiguration"),
    "PutPublicAccessBlock": _sets("PutBucketPublicAccessBlock"),
    "DeletePublicAccessBlock": _sets("PutBucketPublicAccessBlock"),
    # Objects; what DeleteObjects needs is one of these for each object in its body.
    "DeleteObjects": _of_object("DeleteObject", changes="object"),
    "HeadObject": _of_object("GetObject"),
    "GetObject": _of_object("GetObject"),
    "GetObjectAcl": _of_object("GetObjectAcl"),
    "GetObjectAttributes": _of_object("GetObject", "GetObjectAttributes"),
    # These two have no action for versions: the one action is for both.
    "GetObjectLegalHold": Rule(("s3:GetObjectLegalHold",), "", ("s3:GetObjectLegalHold",)),
    "GetObjectRetention": Rule(("s3:GetObjectRetention",), "", ("s3:GetObjectRetention",)),
    "GetObjectTagging": _of_object("GetObjectTagging"),
    "PutObject": Rule(("s3:PutObject",), "object"),
    "CopyObject": Rule(("s3:PutObject",), "object"),
    "PutObjectAcl": _of_object("PutObjectAcl", changes="object"),
    "PutObjectLegalHold": Rule(("s3:PutObjectLegalHold",), "object", ("s3:PutObjectLegalHold",)),
    "PutObjectRetention": Rule(("s3:PutObjectRetention",), "object", ("s3:PutObjectRetention",)),
    "PutObjectTagging": _of_object("PutObjectTagging", changes="object"),
    "DeleteObjectTagging": _of_object("DeleteObjectTagging", changes="object"),
    "DeleteObject": _of_object("DeleteObject", changes="object"),
    # Uploads in parts
    "CreateMultipartUpload": Rule(("s3:PutObject",), "new upload"),
    "UploadPart": Rule(("s3:PutObject",), "upload"),
    "UploadPartCopy": Rule(("s3:PutObject",), "upload"),
    "CompleteMultipartUpload": Rule(("s3:PutObject",), "ended upload"),
    "AbortMultipartUpload": Rule(("s3:AbortMultipartUpload",), "upload"),
    "ListParts": _reads("ListMultipartUploadParts"),
}

# Headers by which an operation does what another one is for → the actions of that one.
GRANTS = ("full-control", "read", "read-acp", "write", "write-acp")
ACL_HEADERS = ("x-amz-acl", *(f"x-amz-grant-{name}" for name in GRANTS))
OF_OBJECT_HEADERS: Mapping[str, str] = {
    **dict.fromkeys(ACL_HEADERS, "s3:PutObjectAcl"),
    "x-amz-tagging": "s3:PutObjectTagging",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "s3:PutObjectRetention",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
    "x-amz-bypass-governance-retention": "s3:BypassGovernanceRetention",
}
OF_BUCKET_HEADERS: Mapping[str, str] = {
    **dict.fromkeys(ACL_HEADERS, "s3:PutBucketAcl"),
    "x-amz-bucket-object-lock-enabled": "s3:PutBucketObjectLockConfiguration",
    "x-amz-object-ownership": "s3:PutBucketOwnershipControls",
}
