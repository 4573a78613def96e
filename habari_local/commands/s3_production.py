"""`habari-local s3 bootstrap|check`: the S3 of production, made and looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result, Table
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from habari_local.s3.iam_key import Holder
    from habari_local.s3.production_buckets import Difference
    from habari_local.s3.s3_client import Buckets

Backend = Annotated[str, typer.Option("--backend", metavar="aws", help="The S3: aws alone.")]
User = Annotated[
    str, typer.Option("--user", metavar="NAME", help="The IAM user of the servers; one per tenant.")
]


@dataclass(frozen=True)
class _Production:
    s3: S3Client
    buckets: Buckets
    region: str
    holder: Holder

    def differences(self) -> list[Difference]:
        from habari_local.s3 import iam_key, production_buckets

        return [
            *production_buckets.differences(self.s3, self.buckets, self.region),
            *iam_key.differences(self.holder, self.buckets),
        ]


@contextmanager
def production(sets: list[str] | None, user: str, backend: str = "aws") -> Iterator[_Production]:
    """Give the S3 of production; what AWS refuses in there becomes a sentence."""
    from habari_local.config.load import environment, load
    from habari_local.core.paths import find_checkout
    from habari_local.s3.admin_credentials import administrator
    from habari_local.s3.iam_key import Holder
    from habari_local.s3.key_file import KeyFile
    from habari_local.s3.s3_client import Buckets, iam_client, s3_client, translate_errors

    if backend != "aws" or not re.fullmatch(r"[A-Za-z0-9+=,@_-][A-Za-z0-9+=,.@_-]{0,63}", user):
        wrong = f"--backend {backend}: aws" if backend != "aws" else f"--user {user}: an IAM name"
        raise HabariError(
            f"{wrong} was expected.", "habari-local s3 bootstrap --backend aws --plan", USAGE
        )
    checkout = find_checkout()
    of = load(checkout.root, flags(sets)).settings
    target = administrator(environment(), of.s3_endpoint_url, of.s3_region)
    buckets = Buckets(of.lake_bucket, of.notebooks_bucket)
    holder = Holder(iam_client(target), KeyFile(checkout.state / "aws" / f"{user}.env"), user)
    expected = "an administrator's key that may do this was expected"
    with translate_errors("S3 of production", expected, "aws sts get-caller-identity"):
        yield _Production(s3_client(target), buckets, of.s3_region, holder)


def bootstrap(
    backend: Backend = "aws",
    user: User = "habari",
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would be done, and stop.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Create production's S3.

    Private buckets, an IAM user with the least policy, its key. Run it as often as you like: it
    does only what is missing. The administrator's key comes from AWS's own variables in the
    environment (AWS_ACCESS_KEY_ID … or AWS_PROFILE), never .env.

    Example: habari-local s3 bootstrap --backend aws --plan
    """
    from habari_local.core.checkout_lock import checkout_lock
    from habari_local.core.paths import find_checkout

    with (
        checkout_lock(find_checkout().state, "s3 bootstrap"),
        production(sets, user, backend) as its,
    ):
        found = its.differences()
        for each in () if plan else found:
            each.cure()
    verb = "Would change" if plan else "Changed"
    said = [f"{verb}: {each.sentence}." for each in found] or ["Nothing to do."]
    kept = [] if plan else [f"The key for servers is in {its.holder.file.path}."]
    data = {"plan": plan, "differences": [each.sentence for each in found]}
    return Result(data, [*said, *kept], as_json=as_json)


def check(user: User = "habari", sets: Sets = None, as_json: AsJson = False) -> Result:
    """Check the S3 of production.

    What differs from what bootstrap makes is told; exit 1 if something does.

    Example: habari-local s3 check
    """
    with production(sets, user) as its:
        found = its.differences()
    rows = [(each.where, each.found, each.wanted) for each in found]
    table = Table(["what", "found", "wanted"], rows)
    cure = f"Try: habari-local s3 bootstrap --backend aws --user {user}"
    shown: list[str | Table] = [table, cure] if rows else ["Everything is as it should be."]
    data = {"good": not rows, "differences": [each.sentence for each in found]}
    return Result(data, shown, 1 if rows else 0, as_json=as_json)
