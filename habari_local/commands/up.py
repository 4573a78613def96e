"""`habari-local up`: bring the platform up."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from habari_local.commands.options import AsJson, ModeName, Sets, flags
from habari_local.console import Result


def up(
    mode: ModeName = None,
    sets: Sets = None,
    wait: Annotated[bool, typer.Option(help="Wait until everything answers.")] = True,
    keep: Annotated[
        bool, typer.Option("--keep", help="On failure leave what runs as it is, to look at.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
) -> Result:
    """Bring Habari up: everything that is not running yet, and nothing else.

    Example: habari-local up --mode process --set HABARI_HUB_PORT=9000
    """
    from habari_local import active, lifecycle

    began = time.monotonic()
    chosen, ctx = active.fresh(mode, flags(sets), wait=wait)
    changed = lifecycle.up(chosen, ctx, keep=keep)
    _, ctx = active.current(chosen.name)
    where = chosen.endpoints(ctx)
    seconds = time.monotonic() - began
    if open_:
        import webbrowser

        webbrowser.open(where.hub_url)
    data = {"mode": chosen.name, "url": where.hub_url, "changed": changed, "seconds": seconds}
    people = [
        f"{', '.join(names)} ({note})"
        for note, names in (("admin", where.users["admin"]), ("user", where.users["allowed"]))
        if names
    ]
    done = "is up" if changed else "was up already; nothing had to be done"
    return Result(
        data,
        [
            f"\nHabari {done} (mode {chosen.name}, {seconds:.1f} s).\n",
            f"  open      {where.hub_url}",
            f"  sign in   {'; '.join(people)}" + ("" if where.github else " at github.com"),
            f"  S3        {where.s3.endpoint_url or 'AWS'}: "
            f"{where.s3.lake_bucket} as lake/, {where.s3.notebooks_bucket} as notebooks/",
            f"  project   {where.project_path} as project/",
            *(f"  note      {note}" for note in chosen.notes),
            "\nTry next: habari-local open · habari-local status · habari-local logs -f · "
            "habari-local e2e · habari-local down",
        ],
        as_json=as_json,
    )
