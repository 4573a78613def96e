"""Production's buckets: what each must have, what differs, and making it so as an administrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import USAGE, HabariError
from habari_local.s3.s3_client import MISSING, Buckets, S3Target, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RULE = "habari-old-versions"
KEEP_VERSIONS_DAYS, KEEP_PARTS_DAYS = 90, 7
PUBLIC = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
ABSENT = MISSING | {
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchLifecycleConfiguration",
}
Part = tuple[str, str, Callable[[], str | None], Callable[[], Any]]
ID, SECRET, TOKEN, PROFILE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be: where, what was seen, what is wanted, the cure."""

    where: str
    found: str
    wanted: str
    cure: Callable[[], Any]

    @property
    def sentence(self) -> str:
        """Return it as people read it."""
        return f"{self.where}: {self.found}, {self.wanted} is wanted"


def lifecycle() -> dict[str, Any]:
    """Return our rule: old versions, also of checkpoints, and parts of dead uploads go.

    A checkpoint is one object beside its notebook, which each new one replaces, so what piles up
    are its old versions; S3 knows no rule for a folder in the middle of keys.
    """
    return {
        "ID": RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": KEEP_VERSIONS_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": KEEP_PARTS_DAYS},
    }


def differences(s3: S3Client, buckets: Buckets, region: str) -> list[Difference]:
    """Return what is missing of the buckets: of one that is not there, itself and all the rest.

    Raises:
        HabariError: the name is another account's, or the key may not look.
    """
    found: list[Difference] = []
    for name in buckets:
        there = _exists(s3, name)
        if not there:
            cure = _maker(s3, name, region)
            found.append(Difference(f"bucket {name}", "not there", f"one in {region}", cure))
        found += _of_bucket(s3, name, there=there)
    return found


def _exists(s3: S3Client, name: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error_code(error) in MISSING:
            return False
        if error_code(error) in {"403", "AccessDenied"}:
            raise HabariError(
                f"Bucket {name}: another account's, or this key may not see it (403).",
                f"aws s3api head-bucket --bucket {name}",
            ) from error
        raise
    return True


def _maker(s3: S3Client, name: str, region: str) -> Callable[[], Any]:
    more: Any = {}
    if region != "us-east-1":  # the one region that must not be named
        more = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    return lambda: s3.create_bucket(Bucket=name, **more)


def _of_bucket(s3: S3Client, name: str, *, there: bool) -> list[Difference]:
    parts = (_public(s3, name), _versioning(s3, name), _encryption(s3, name), _rules(s3, name))
    found = []
    for what, wanted, seen, cure in parts:
        shown = (seen() if there else None) or "not set"
        if shown != wanted:
            found.append(Difference(f"bucket {name}, {what}", shown, wanted, cure))
    return found


def _public(s3: S3Client, name: str) -> Part:
    def seen() -> str | None:
        answer = _or_none(lambda: s3.get_public_access_block(Bucket=name))
        block = answer["PublicAccessBlockConfiguration"] if answer else {}
        missing = [each for each in PUBLIC if not block.get(each)]
        return f"without {', '.join(missing)}" if missing else "blocked"

    wanted: Any = dict.fromkeys(PUBLIC, True)
    cure = lambda: s3.put_public_access_block(  # noqa: E731 (beside what it cures)
        Bucket=name, PublicAccessBlockConfiguration=wanted
    )
    return "public access", "blocked", seen, cure


def _versioning(s3: S3Client, name: str) -> Part:
    seen = lambda: s3.get_bucket_versioning(Bucket=name).get("Status")  # noqa: E731
    cure = lambda: s3.put_bucket_versioning(  # noqa: E731
        Bucket=name, VersioningConfiguration={"Status": "Enabled"}
    )
    return "versions", "Enabled", seen, cure


def _encryption(s3: S3Client, name: str) -> Part:
    def seen() -> str | None:
        answer = _or_none(lambda: s3.get_bucket_encryption(Bucket=name))
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"] if answer else []
        default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
        algorithm = default.get("SSEAlgorithm")
        # With a key of KMS is more than we ask for, not less.
        return "AES256" if algorithm in {"AES256", "aws:kms", "aws:kms:dsse"} else algorithm

    rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    cure = lambda: s3.put_bucket_encryption(  # noqa: E731
        Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    return "encryption", "AES256", seen, cure


def _rules(s3: S3Client, name: str) -> Part:
    """The lifecycle: our rule by its id; those of others stay as they are."""

    def present() -> list[Any]:
        answer = _or_none(lambda: s3.get_bucket_lifecycle_configuration(Bucket=name))
        return list(answer["Rules"]) if answer else []

    def seen() -> str | None:
        ours: Any = next((rule for rule in present() if rule.get("ID") == RULE), {})
        wrong = [key for key, value in lifecycle().items() if ours.get(key) != value]
        return (f"{RULE} with another {', '.join(wrong)}" if wrong else RULE) if ours else None

    def cure() -> Any:
        kept = [rule for rule in present() if rule.get("ID") != RULE]
        rules: Any = [*kept, lifecycle()]
        return s3.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration={"Rules": rules}
        )

    return "lifecycle", RULE, seen, cure


def _or_none(ask: Callable[[], Any]) -> Any:
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error_code(error) not in ABSENT:
            raise
        return None


def administrator(environ: Mapping[str, str], endpoint_url: str, region: str) -> S3Target:
    """Return the S3 of production with the administrator's key.

    The key is none of the settings on purpose: what is in `.env` with the backend aws is what
    servers on this machine get, and they run what users type. By AWS's own names it comes from the
    environment, as a key or as the name of a profile (SSO, roles), and nothing keeps it.

    Raises:
        HabariError: the environment has neither, or no such profile.
    """
    if environ.get(ID) and environ.get(SECRET):
        key, secret, token = environ[ID], environ[SECRET], environ.get(TOKEN, "")
    elif environ.get(PROFILE):
        key, secret, token = _of_profile(environ[PROFILE])
    else:
        raise HabariError(
            f"Administrator's key: not in the environment; set {ID} and {SECRET}, or {PROFILE} (not"
            " in .env, whose key goes to servers of this machine).",
            f"{PROFILE}=NAME habari-local s3 check",
            USAGE,
        )
    return S3Target(endpoint_url or None, region, key, secret, session_token=token)


def _of_profile(name: str) -> tuple[str, str, str]:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session(profile_name=name).get_credentials()
        if found is not None:
            frozen = found.get_frozen_credentials()
            return frozen.access_key or "", frozen.secret_key or "", frozen.token or ""
        seen = "has no key"
    except BotoCoreError as error:
        seen = str(error).rstrip(".")
    raise HabariError(
        f"{PROFILE} {name}: {seen}.",
        "aws configure list-profiles",
    )
