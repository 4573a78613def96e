"""`habari-local s3`: looking into the two buckets; what makes those of production is beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands import s3_production, s3_rotation
from habari_local.commands.options import AsJson
from habari_local.core.console import Result, Table
from habari_local.core.errors import USAGE, HabariError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from habari_local.s3.bucket_cli import S3Path
    from habari_local.s3.s3_client import Buckets

app = typer.Typer(
    no_args_is_help=True,
    help="The buckets: ls, cp, cat; production's too.\n\nExample: habari-local s3 ls notebooks",
)
app.command()(s3_production.bootstrap)
app.command()(s3_production.check)
app.command("rotate-key")(s3_rotation.rotate_key)
PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="lake/... or notebooks/...")]


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
    entries = list(bucket_cli.listing(s3, place, deep=deep))
    if place.key and not entries:
        raise HabariError(
            f"{place.shown}: no such folder or object.",
            f"habari-local s3 ls {place.folder}/",
        )
    data = [
        {"path": e.path, "size": e.size, "modified": e.modified and e.modified.isoformat()}
        for e in entries
    ]
    shown = [
        (
            entry.path,
            "" if entry.size is None else f"{entry.size:,}",
            f"{entry.modified:%Y-%m-%d %H:%M:%S}" if entry.modified else "",
        )
        for entry in entries
    ]
    return Result(data, [Table(["path", "bytes", "modified (UTC)"], shown)], as_json=as_json)


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
    from habari_local.s3.s3_client import Buckets, S3Target, s3_client

    mode, ctx = active_mode.require_running()
    s3 = mode.endpoints(ctx).s3
    target = S3Target(
        s3.endpoint_url,
        s3.region,
        s3.access_key_id,
        s3.secret_access_key,
        ctx.settings.s3_backend,
    )
    return s3_client(target), Buckets(s3.lake_bucket, s3.notebooks_bucket)


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
