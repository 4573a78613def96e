"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local import modes
from habari_local.commands import completion
from habari_local.core.errors import USAGE, ConfigError, HabariError, nearest

if TYPE_CHECKING:
    from habari_local.platform.mode import Endpoints


def _known(context: typer.Context, mode: str | None) -> str | None:
    """Return a mode that there is.

    Raises:
        HabariError: it is none; the nearest is named.
    """
    if mode is None or context.resilient_parsing or mode in modes.names():
        return mode
    near = nearest(mode, modes.names())
    meant = f"did you mean {near}?" if near else f"there are {', '.join(modes.names())}."
    raise HabariError(
        f"Mode {mode}: not known; {meant}",
        f"{context.command_path} --mode {near or modes.names()[0]}",
        USAGE,
    )


_choices = typer.Option(
    "--mode",
    "-m",
    help=f"One of {', '.join(modes.names())}; default: the one that is up, else HABARI_MODE.",
    show_default=False,
    metavar="MODE",
    autocompletion=completion.mode_names,
    callback=_known,
)
ModeName = Annotated[str | None, _choices]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting for this call; repeatable."),
]

ContextName = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="Mode cluster: the context of your kubeconfig."),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", metavar="NAME", help="Mode cluster: the namespace; default: habari."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask before something is deleted.")]
Meant = Annotated[
    str | None,
    typer.Option("--confirm", metavar="NAMESPACE", help="Mode cluster: confirm what is deleted."),
]


def cluster(mode: str | None, context: str | None, namespace: str | None) -> dict[str, str]:
    """Return the settings that name a cluster.

    Raises:
        HabariError: one is named, and another mode than cluster.
    """
    found = {"HABARI_KUBE_CONTEXT": context, "HABARI_KUBE_NAMESPACE": namespace}
    given = {name: value for name, value in found.items() if value is not None}
    if given and mode != "cluster":
        raise HabariError(
            f"Mode {mode or 'not given'}: --context and --namespace work in mode cluster only.",
            f"habari-local status --mode cluster --context {context or 'NAME'}",
            USAGE,
        )
    return given


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
