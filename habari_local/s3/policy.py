"""The IAM policy of the notebook servers' user, and the proof that it does what it says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import HabariError
from habari_local.s3.s3_client import Buckets, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = "2012-10-17"  # the policy language's version: a constant of AWS, not a date of ours


def document(buckets: Buckets) -> dict[str, Any]:
    """Return the policy: what a contents manager and a notebook need, on these buckets alone."""
    arns = [f"arn:aws:s3:::{name}" for name in buckets]
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": "HabariFindObjects",
                "Effect": "Allow",
                "Action": [
                    "s3:ListBucket",
                    "s3:GetBucketLocation",
                    "s3:ListBucketMultipartUploads",
                ],
                "Resource": arns,
            },
            {
                "Sid": "HabariUseObjects",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": [f"{arn}/*" for arn in arns],
            },
        ],
    }


def digest(buckets: Buckets) -> str:
    """Return what the policy is known by."""
    return hashlib.sha256(text(buckets).encode()).hexdigest()[:16]


def check(user: S3Client, buckets: Buckets) -> None:
    """Prove with real requests that a key gets at the two buckets and at no third.

    Args:
        user: a client with the key of the policy's user.
        buckets: the two buckets, which must exist.

    Raises:
        HabariError: the S3 does not enforce the policy.
        botocore.exceptions.ClientError: the key is refused where it should be good.
    """
    from botocore.exceptions import ClientError

    for name in buckets:
        user.head_bucket(Bucket=name)
    third = f"{buckets.lake}-and-no-other"
    try:
        user.head_bucket(Bucket=third)
        answer = "200"
    except ClientError as error:
        answer = error_code(error)
    if answer != "403":
        raise HabariError(
            f"Policy of the key: lets it into a third bucket (answered {answer}, not 403).",
            "habari-local logs s3",
        )


def text(buckets: Buckets) -> str:
    """Return the policy as IAM takes it."""
    return json.dumps(document(buckets), sort_keys=True)
