"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local import modes
from habari_local.errors import ConfigError

if TYPE_CHECKING:
    from habari_local.modes.base import Endpoints

_choices = typer.Option(
    "--mode",
    "-m",
    help=f"One of {', '.join(modes.names())}; default: the one that is up, else HABARI_MODE.",
    show_default=False,
    metavar="MODE",
)
ModeName = Annotated[str | None, _choices]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting for this call; repeatable."),
]


def flags(pairs: list[str] | None) -> dict[str, str]:
    """Return the settings given by `--set`.

    Raises:
        ConfigError: a pair without '='.
    """
    wrong = [pair for pair in pairs or () if "=" not in pair]
    if wrong:
        raise ConfigError([f"flag: --set {pair}: expected NAME=VALUE" for pair in wrong])
    split = (pair.partition("=") for pair in pairs or ())
    return {name.strip(): value for name, _, value in split}


def link(where: Endpoints) -> str:
    """Return what to open: with the token in it where that is the only way in."""
    return where.hub_url if where.hub else f"{where.hub_url}?token={where.hub_api_token}"
