"""`habari-local s3`: looking into the two buckets."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="The buckets lake and notebooks: ls, cp, cat.")
