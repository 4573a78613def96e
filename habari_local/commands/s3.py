"""`habari-local s3`: list, copy and print from the buckets; production's S3 and its key."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result, Table
from habari_local.core.errors import NOT_READY, USAGE, HabariError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from habari_local.s3.bucket_cli import Entry, S3Path
    from habari_local.s3.iam_key import Holder, KeyInCluster
    from habari_local.s3.production_buckets import Difference
    from habari_local.s3.s3_client import Buckets

app = typer.Typer(
    no_args_is_help=True,
    help="The buckets: ls, cp, cat; production's too.\n\nExample: habari-local s3 ls notebooks",
)
PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="lake/... or notebooks/...")]
Backend = Annotated[str, typer.Option("--backend", metavar="aws", help="The S3: aws alone.")]
User = Annotated[
    str, typer.Option("--user", metavar="NAME", help="The IAM user of the servers; one per tenant.")
]
HEADINGS = ("path", "bytes", "modified (UTC)")
ALIGNED = 5000  # entries up to which a listing is drawn as a whole; more are written as they come
EVERY = 3.0  # seconds between two looks at who has which key
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="The cluster whose secret gets the key."),
]
Namespace = Annotated[
    str, typer.Option("--namespace", metavar="NAME", help="Where in the cluster.")
]
SecretName = Annotated[
    str,
    typer.Option("--secret", metavar="NAME", help="The Kubernetes secret with the servers' key."),
]
Seconds = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for servers to get it.")
]


@app.command()
def ls(
    path: PathArgument = "",
    deep: Annotated[bool, typer.Option("--recursive", "-r", help="Everything below.")] = False,
    as_json: AsJson = False,
) -> Result:
    """List the buckets, or a folder of one.

    Example: habari-local s3 ls lake/samples/
    """
    from habari_local.s3 import bucket_cli

    s3, buckets = _connect()
    if not path:
        rows = [("lake/", buckets.lake), ("notebooks/", buckets.notebooks)]
        return Result(dict(rows), [Table(["folder", "bucket"], rows)], as_json=as_json)
    place = _place(path, buckets)
    found = bucket_cli.listing(s3, place, deep=deep)
    entries = list(islice(found, ALIGNED + 1))
    if place.key and not entries:
        raise HabariError(
            f"{place.shown}: no such folder or object.",
            f"habari-local s3 ls {place.folder}/",
        )
    if len(entries) > ALIGNED:
        return Result(lines=_lines(entries, found, as_json=as_json))
    shown = [_shown(each) for each in entries]
    data = [_told(each) for each in entries]
    return Result(data, [Table(HEADINGS, shown)], as_json=as_json)


def _lines(entries: Sequence[Entry], more: Iterator[Entry], *, as_json: bool) -> Iterator[str]:
    """Yield what a table has, as it comes: there may be millions. The first ones set its widths."""
    if as_json:
        for number, each in enumerate(chain(entries, more)):
            yield f"{',' if number else '['} {json.dumps(_told(each))}"
        yield "]"
        return
    rows = [HEADINGS, *(_shown(each) for each in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in chain(rows, (_shown(each) for each in more)):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip().replace("\n", " ")


def _shown(entry: Entry) -> tuple[str, str, str]:
    return (
        entry.path,
        "" if entry.size is None else f"{entry.size:,}",
        f"{entry.modified:%Y-%m-%d %H:%M:%S}" if entry.modified else "",
    )


def _told(entry: Entry) -> dict[str, str | int | None]:
    modified = entry.modified.isoformat() if entry.modified else None
    return {"path": entry.path, "size": entry.size, "modified": modified}


@app.command()
def cp(
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
) -> Result:
    """Copy a file to, from or between buckets.

    Example: habari-local s3 cp data.csv lake/raw/
    """
    from habari_local.s3 import bucket_cli

    s3, buckets = _connect()
    where = bucket_cli.copy(s3, source, target, buckets)
    return Result({"copied": where}, [f"Copied {source} to {where}"])


@app.command()
def cat(path: PathArgument) -> Result:
    """Write an object to standard output.

    Example: habari-local s3 cat lake/samples/rainfall.csv
    """
    from habari_local.s3 import bucket_cli

    s3, buckets = _connect()
    chunks: Iterator[bytes] = bucket_cli.read(s3, _place(path, buckets))
    return Result(chunks=chunks)


def _connect() -> tuple[S3Client, Buckets]:
    from habari_local import active_mode
    from habari_local.s3.s3_client import Buckets

    mode, ctx = active_mode.require_running()
    s3 = mode.endpoints(ctx).s3
    return s3.client(ctx.settings.s3_backend), Buckets(s3.lake_bucket, s3.notebooks_bucket)


def _place(path: str, buckets: Buckets) -> S3Path:
    from habari_local.s3 import bucket_cli

    place = bucket_cli.parse(path, buckets)
    if place is None:
        raise HabariError(
            f"{path}: must start with lake/ or notebooks/.",
            f"habari-local s3 ls lake/{path}",
            USAGE,
        )
    return place


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
    from habari_local.s3.iam_key import Holder, KeyFile
    from habari_local.s3.production_buckets import administrator
    from habari_local.s3.s3_client import Buckets, iam_client, s3_client, translate_errors

    hint = "habari-local s3 bootstrap --backend aws --plan"
    if backend != "aws":
        raise HabariError(f"--backend {backend}: only aws can be bootstrapped.", hint, USAGE)
    if not re.fullmatch(r"[A-Za-z0-9+=,@_-][A-Za-z0-9+=,.@_-]{0,63}", user):
        raise HabariError(f"--user {user}: not a name that IAM allows.", hint, USAGE)
    checkout = find_checkout()
    of = load(checkout.root, flags(sets)).settings
    target = administrator(environment(), of.s3_endpoint_url, of.s3_region)
    buckets = Buckets(of.lake_bucket, of.notebooks_bucket)
    holder = Holder(iam_client(target), KeyFile(checkout.state / "aws" / f"{user}.env"), user)
    expected = "this needs an administrator's key"
    with translate_errors("S3 of production", expected, "aws sts get-caller-identity"):
        yield _Production(s3_client(target), buckets, of.s3_region, holder)


@app.command()
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
    from habari_local.core.checkout import checkout_lock
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


@app.command()
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


@app.command("rotate-key")
def rotate_key(  # noqa: PLR0913, PLR0917 (each is an option of the command line)
    retire: Annotated[
        bool, typer.Option("--retire", help="Delete the old key: servers have the new one.")
    ] = False,
    context: Context = None,
    namespace: Namespace = "habari",
    kept_in: SecretName = "habari-s3",
    wait: Seconds = 0,
    user: User = "habari",
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Replace the key that servers have.

    The old one is deleted once no server has it. With --context the new key goes into the cluster's
    secret, and each running server is asked which it has: none with the old one, and that is
    deleted. Without, hand it over yourself, then call it with --retire. Both keys are good in
    between. Ended midway, it goes on where it was.

    Example: habari-local s3 rotate-key --context NAME --wait 3600
    """
    from habari_local.core.checkout import checkout_lock
    from habari_local.core.paths import find_checkout
    from habari_local.s3 import iam_key as key

    again = f"habari-local s3 rotate-key --user {user}"
    where = _in_cluster(context, namespace, kept_in) if context is not None else None
    state = find_checkout().state
    with production(sets, user) as its:
        with checkout_lock(state, "s3 rotate-key"):
            if retire and not its.holder.file.read().retiring:
                raise HabariError("S3 key: none to retire; no rotation is under way.", again)
            new, old = key.hand_over(its.holder)
            ids = {"new": new.access_key_id, "old": old}
            if where:
                where.put(new, ids.values())
        behind = _behind(where, new.access_key_id, wait) if where else []
        if where and behind:
            return _not_yet(ids, behind, again, where, as_json=as_json)
        if retire and not where:
            _must_be_used(its.holder, new.access_key_id, f"{again} --retire")
        if where or retire:
            with checkout_lock(state, "s3 rotate-key"):
                key.retire(its.holder, old)
            said = [f"{old} is deleted; servers have {new.access_key_id}."]
        else:
            said = [f"{new.access_key_id} is in {its.holder.file.path}; {old} is still valid."]
            said += [f"Hand it to servers, restart them, then: {again} --retire"]
    return Result({**ids, "retired": bool(where) or retire}, said, as_json=as_json)


def _in_cluster(context: str, namespace: str, secret: str) -> KeyInCluster:
    from habari_local.config.load import environment
    from habari_local.drivers.kubernetes import kubeconfig
    from habari_local.drivers.kubernetes.cluster import Cluster
    from habari_local.s3.iam_key import KeyInCluster

    cluster = Cluster(kubeconfig.find(environment(), context), context)
    cluster.require_answer()
    return KeyInCluster(cluster, namespace, secret)


def _behind(where: KeyInCluster, key_id: str, seconds: float) -> list[str]:
    """Return who has another key after at most `seconds`: nothing tells when a server restarts."""
    from habari_local.core import polling

    end = time.monotonic() + seconds
    while (behind := where.without(key_id)) and time.monotonic() < end:
        polling.pause(min(EVERY, max(0.0, end - time.monotonic())))
    return behind


def _not_yet(
    ids: dict[str, str], behind: list[str], again: str, where: KeyInCluster, *, as_json: bool
) -> Result:
    cluster = f"--context {where.cluster.context} --namespace {where.namespace}"
    said = [
        f"{ids['new']} is in the secret {where.secret}; {ids['old']} is still valid.",
        f"The servers of {', '.join(behind)} run with the old one: once they are restarted,"
        f" {again} {cluster}",
    ]
    return Result({**ids, "retired": False, "behind": behind}, said, NOT_READY, as_json=as_json)


def _must_be_used(holder: Holder, new: str, again: str) -> None:
    if holder.last_used(new) is None:
        raise HabariError(
            f"S3 key {new}: IAM has not seen it used yet (it reports minutes late); the old one"
            " stays valid.",
            again,
            NOT_READY,
        )
