"""`habari-local s3 bootstrap|check|rotate-key`: the S3 of production, made, looked at, rekeyed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.console import Result, Table
from habari_local.errors import NOT_READY, USAGE, HabariError

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

    from habari_local.storage.production import Difference
    from habari_local.storage.production_key import KeyFile
    from habari_local.storage.target import Buckets

Backend = Annotated[str, typer.Option("--backend", metavar="aws", help="The S3: aws alone.")]


@dataclass(frozen=True)
class _Production:
    s3: S3Client
    iam: IAMClient
    buckets: Buckets
    region: str
    file: KeyFile

    def differences(self) -> list[Difference]:
        from habari_local.storage import production, production_key

        return [
            *production.differences(self.s3, self.buckets, self.region),
            *production_key.differences(self.iam, self.buckets, self.file),
        ]


@contextmanager
def _production(sets: list[str] | None, backend: str = "aws") -> Iterator[_Production]:
    """Give the S3 of production; what AWS refuses in there becomes a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    from habari_local.config.load import load
    from habari_local.paths import find_checkout
    from habari_local.storage.production_key import KeyFile
    from habari_local.storage.target import Buckets, S3Target, iam_client, s3_client

    if backend != "aws":
        raise HabariError(
            f"--backend {backend}: aws was expected; the others are made by `up`.",
            "habari-local s3 bootstrap --backend aws --plan",
            USAGE,
        )
    checkout = find_checkout()
    of = load(checkout.root, {**flags(sets), "HABARI_S3_BACKEND": "aws"}).settings
    secret = of.s3_secret_access_key.get_secret_value()
    target = S3Target(of.s3_endpoint_url or None, of.s3_region, of.s3_access_key_id, secret)
    buckets = Buckets(of.lake_bucket, of.notebooks_bucket)
    file = KeyFile(checkout.state / "aws" / "s3.env")
    try:
        yield _Production(s3_client(target), iam_client(target), buckets, of.s3_region, file)
    except (BotoCoreError, ClientError) as error:
        raise HabariError(
            f"S3 of production: {error}; an administrator's key that may do this was expected.",
            "habari-local s3 check",
        ) from error


def bootstrap(
    backend: Backend = "aws",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and stop.")] = False,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Make the S3 of production: private buckets, an IAM user with the least policy, its key.

    Again as often as one likes: it does what is lacking and nothing else.

    Example: habari-local s3 bootstrap --backend aws --plan
    """
    from habari_local.lock import held
    from habari_local.paths import find_checkout

    with held(find_checkout().state, "s3 bootstrap"), _production(sets, backend) as its:
        found = its.differences()
        for each in () if plan else found:
            each.cure()
    verb = "Would change" if plan else "Changed"
    said = [f"{verb}: {each.sentence}." for each in found] or ["Nothing to do."]
    kept = [] if plan else [f"The key for servers is in {its.file.path}."]
    data = {"plan": plan, "differences": [each.sentence for each in found]}
    return Result(data, [*said, *kept], as_json=as_json)


def check(sets: Sets = None, as_json: AsJson = False) -> Result:
    """Say what differs in the S3 of production from what bootstrap makes; exit 1 if something does.

    Example: habari-local s3 check
    """
    with _production(sets) as its:
        found = its.differences()
    rows = [(each.where, each.found, each.wanted) for each in found]
    table = Table(["what", "found", "wanted"], rows)
    shown: list[str | Table] = (
        [table, "Try: habari-local s3 bootstrap --backend aws"] if rows else ["All as wanted."]
    )
    data = {"good": not rows, "differences": [each.sentence for each in found]}
    return Result(data, shown, 1 if rows else 0, as_json=as_json)


def rotate_key(
    retire: Annotated[
        bool, typer.Option("--retire", help="Delete the old key: servers have the new one.")
    ] = False,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Make a new key for servers; with --retire, delete the old one once the new one is in use.

    Both are good in between: give servers the new one and restart them, then call it with --retire.
    Ended midway, it goes on where it was.

    Example: habari-local s3 rotate-key
    """
    from habari_local.lock import held
    from habari_local.paths import find_checkout
    from habari_local.storage import production_key as key

    with held(find_checkout().state, "s3 rotate-key"), _production(sets) as its:
        _, going = its.file.read()
        if retire and not going:
            raise HabariError("S3 key: none to retire, a rotation under way was expected.",
                              "habari-local s3 rotate-key")  # fmt: skip
        new, old = key.hand_over(its.iam, its.file)
        if retire:
            _must_be_used(its.iam, new.access_key_id)
            key.retire(its.iam, its.file, old)
    said = [f"{old} is deleted; servers have {new.access_key_id}."] if retire else [
        f"{new.access_key_id} is in {its.file.path}; {old} is good still.",
        "Hand it to servers, restart them, then: habari-local s3 rotate-key --retire",
    ]  # fmt: skip
    return Result({"new": new.access_key_id, "old": old, "retired": retire}, said, as_json=as_json)


def _must_be_used(iam: IAMClient, new: str) -> None:
    from habari_local.storage.production_key import last_used

    if last_used(iam, new) is None:
        raise HabariError(
            f"S3 key {new}: IAM has not seen it used yet (it tells minutes late), use was expected;"
            " the old one stays good.",
            "habari-local s3 rotate-key --retire",
            NOT_READY,
        )
