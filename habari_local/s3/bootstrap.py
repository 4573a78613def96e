"""Making an S3 ready for Habari: buckets, IAM user, policy and key; again as often as one likes."""

from __future__ import annotations

import csv
import hashlib
import http.client
import io
import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from habari_local.s3 import policy
from habari_local.s3.s3_client import (
    MISSING,
    Buckets,
    S3Access,
    S3Target,
    error_code,
    iam_client,
    s3_client,
    translate_errors,
)

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

USER, POLICY = "habari", "habari-buckets"
# A tag of the lake, written when all is made, with the policy's digest. "The bucket is there" would
# not do: it says nothing of user, policy and key.
MARKER = "dev.habari.bootstrap"
REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
KEYS_OF_A_USER = 2  # IAM's own limit
SAMPLE = "samples/rainfall.csv"
STATIONS = ("Nairobi", "Mombasa", "Kisumu", "Nakuru")
# Millimetres of rain by month, roughly as in Kenya's highlands: two rainy seasons.
SEASONS = (55, 50, 95, 200, 155, 40, 20, 25, 30, 60, 150, 95)


def bootstrap(target: S3Target, buckets: Buckets, kept: S3Access | None = None) -> S3Access:
    """Make what is missing; return the key for notebook servers.

    Args:
        target: the S3, with a key that may do this. The backend `aws` is somebody's own: its given
            key serves the notebook servers too, and no IAM user is made.
        buckets: the names of the two buckets.
        kept: what an earlier call returned; used again while it is good.

    Raises:
        HabariError: S3 refused or did not answer; another call goes on where this one ended.
    """
    if kept and kept.state and kept.state == state_of(target, buckets, kept):
        return kept
    look = "habari-local config show" if target.backend == "aws" else "habari-local logs s3"
    with translate_errors(
        f"S3 at {target.endpoint_url or 'AWS'}",
        "the buckets and their key were not created",
        lambda said: "df -h ." if "InsufficientStorage" in said else look,
    ):
        s3 = s3_client(target)
        if kept and target.backend != "aws" and _is_ready(s3, target, buckets, kept):
            return _with_state(kept, target, buckets)
        made = [name for name in buckets if _make_bucket(s3, name, target.region)]
        if target.backend == "aws":
            return S3Access(target.access_key_id, target.secret_access_key, user_made=False)
        if buckets.lake in made:
            put_sample(s3, buckets.lake)
        return _with_state(_user_proved(s3, target, buckets, kept), target, buckets)


def state_of(target: S3Target, buckets: Buckets, access: S3Access) -> str:
    """Return what buckets, users, policies, keys and this key of our S3 service are known by.

    It says so itself, to one request without boto3, whose import takes longer than all else that is
    left to do when nothing has changed. "": it is another S3, or it does not answer.
    """
    if target.backend == "aws" or not target.endpoint_url:
        return ""
    where = urlsplit(target.endpoint_url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=3)
    try:
        connection.request("GET", "/_habari/health")
        told = json.loads(connection.getresponse().read())
        key = f"{access.access_key_id} {access.secret_access_key}"
        seen = f"{told['state']} {policy.digest(buckets)} {key}"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""
    finally:
        connection.close()
    return hashlib.sha256(seen.encode()).hexdigest()


def _with_state(access: S3Access, target: S3Target, buckets: Buckets) -> S3Access:
    return replace(access, state=state_of(target, buckets, access))


def _is_ready(s3: S3Client, target: S3Target, buckets: Buckets, kept: S3Access) -> bool:
    """Whether an earlier call came to its end and its key is good: two requests, the usual case."""
    from botocore.exceptions import ClientError

    try:
        if _tags(s3, buckets.lake).get(MARKER) != policy.digest(buckets):
            return False
        s3_client(_as_user(target, kept)).head_bucket(Bucket=buckets.notebooks)
    except ClientError as error:
        if error_code(error) not in MISSING | REFUSED:
            raise
        return False
    return True


def _user_proved(
    s3: S3Client, target: S3Target, buckets: Buckets, kept: S3Access | None
) -> S3Access:
    """Make user, policy and key, try them, and only then say that all is made."""
    access = _user(iam_client(target), buckets, kept)
    policy.check(s3_client(_as_user(target, access)), buckets)
    tags = {**_tags(s3, buckets.lake), MARKER: policy.digest(buckets)}
    s3.put_bucket_tagging(
        Bucket=buckets.lake,
        Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]},
    )
    return access


def _tags(s3: S3Client, bucket: str) -> dict[str, str]:
    from botocore.exceptions import ClientError

    try:
        found = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        return {}
    return {each["Key"]: each["Value"] for each in found}


def _as_user(target: S3Target, access: S3Access) -> S3Target:
    key, secret = access.access_key_id, access.secret_access_key
    return S3Target(target.endpoint_url, target.region, key, secret, target.backend)


def _make_bucket(s3: S3Client, name: str, region: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
    else:
        return False
    more: Any = {}
    if region != "us-east-1":  # the one region that must not be named
        more = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **more)
    return True


def _user(iam: IAMClient, buckets: Buckets, kept: S3Access | None) -> S3Access:
    from botocore.exceptions import ClientError

    wanted = policy.document(buckets)
    try:
        answer = iam.get_user_policy(UserName=USER, PolicyName=POLICY)
        document: Any = answer["PolicyDocument"]
        found = json.loads(unquote(document)) if isinstance(document, str) else document
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        found = None
        _make_user(iam)
    if found != wanted:
        iam.put_user_policy(UserName=USER, PolicyName=POLICY, PolicyDocument=policy.text(buckets))
    ids = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]
    if kept and kept.access_key_id in ids:
        return kept
    for retired in ids[: max(0, len(ids) - KEYS_OF_A_USER + 1)]:
        iam.delete_access_key(UserName=USER, AccessKeyId=retired)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return S3Access(key["AccessKeyId"], key["SecretAccessKey"])


def _make_user(iam: IAMClient) -> None:
    from botocore.exceptions import ClientError

    try:
        iam.create_user(UserName=USER)
    except ClientError as error:
        if error_code(error) != "EntityAlreadyExists":
            raise


def rainfall() -> bytes:
    """Return the data set: made up, always the same, one line a station and month of five years."""
    chance = random.Random(20)  # noqa: S311 (sample data, not a secret)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["station", "year", "month", "rain_mm"])
    for station in STATIONS:
        wetness = chance.uniform(0.7, 1.3)
        for year in range(2021, 2026):
            for month, mean in enumerate(SEASONS, 1):
                rain = max(0.0, chance.gauss(mean, mean / 3)) * wetness
                rows.writerow([station, year, month, f"{rain:.1f}"])
    return text.getvalue().encode()


def put_sample(s3: S3Client, lake: str) -> None:
    """Write the data set into a lake that was just made; an object of that name stays."""
    from botocore.exceptions import ClientError

    try:
        s3.put_object(
            Bucket=lake, Key=SAMPLE, Body=rainfall(), ContentType="text/csv", IfNoneMatch="*"
        )
    except ClientError as error:
        if error_code(error) != "PreconditionFailed":
            raise
