"""What several verbs take: the mode, settings, images, a service or user, a confirmation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local import modes
from habari_local.commands import completion
from habari_local.core.errors import USAGE, ConfigError, HabariError, NotRunning, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from habari_local.images.build import Images
    from habari_local.platform.mode import Context, Endpoints, Mode, Plan

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
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="As `image list` shows them; default: all."),
]
TargetName = Annotated[
    str, typer.Argument(metavar="SERVICE|USER", autocompletion=completion.services_and_users)
]
SHOWN = 20  # things that are listed one by one


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


def images_from_settings(sets: list[str] | None) -> Images:
    """Return the images of this checkout as settings and flags have them.

    Raises:
        MissingTool: no Docker here.
    """
    from habari_local.config.load import environment, load
    from habari_local.core.paths import find_checkout
    from habari_local.drivers.docker import images as docker_images
    from habari_local.images.build import Images

    checkout, env = find_checkout(), environment()
    settings = load(checkout.root, flags(sets)).settings
    docker_images.program(env)
    return Images(checkout, settings, env)


@dataclass(frozen=True)
class Target:
    """A service, or the server of a user; the other is empty."""

    service: str = ""
    user: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.service or f"server of {self.user}"


def resolve(mode: Mode, ctx: Context, names: Sequence[str], again: str) -> list[Target]:
    """Return what the names name; a service comes before a user of the same name.

    Args:
        mode: the mode that is looked at.
        ctx: its context.
        names: as they were typed.
        again: the command with {name} where the name stands, for what to try.

    Raises:
        NotRunning: the platform never was up.
        HabariError: one is neither; the nearest is named.
    """
    if not ctx.secrets:
        raise NotRunning(mode=mode.name)
    services = mode.services(ctx)
    users = [*ctx.settings.admin_users, *ctx.settings.allowed_users]
    found = []
    for name in names:
        if name in services:
            found.append(Target(service=name))
            continue
        if name.lower() not in users:  # of an organisation, say: whose server runs
            users += [row.user for row in mode.status(ctx) if row.user]
        if name.lower() not in users:
            raise _unknown(name, services, users, again)
        found.append(Target(user=name.lower()))
    return found


def _unknown(name: str, services: Sequence[str], users: Sequence[str], again: str) -> HabariError:
    near = nearest(name, [*services, *users])
    expected = f"did you mean {near}?" if near else f"there are {', '.join([*services, *users])}."
    return HabariError(
        f"{name}: neither a service nor a user; {expected}",
        again.format(name=near or services[0]),
        USAGE,
    )


def confirm_deletion(things: Sequence[str], checkout: Path, *, yes: bool, again: str) -> None:
    """List what is about to be deleted; return if nothing is, or it is agreed to.

    Args:
        things: what goes, in words.
        checkout: whose it is.
        yes: it is agreed to on the command line.
        again: the command that asked for it, without --yes.

    Raises:
        HabariError: the answer is no, or nobody is there to be asked.
    """
    if not things:
        return
    more = [f"and {len(things) - SHOWN} more"] if len(things) > SHOWN else []
    listed = "".join(f"  - {each}\n" for each in [*things[:SHOWN], *more])
    sys.stderr.write(f"This deletes, of {checkout}:\n{listed}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise HabariError(
            "Nothing was deleted: without a terminal, --yes is needed.", f"{again} --yes", USAGE
        )
    if not typer.confirm("Delete it?", err=True):
        raise HabariError("Nothing was deleted.", "habari-local status")


def confirm(plan: Plan, meant: str | None, again: str) -> None:
    """Return if nothing would be lost, or the person names the place where it would.

    Args:
        plan: with what would be lost, and the place.
        meant: the place as it was given on the command line; None: it was not.
        again: the command that says it at once.

    Raises:
        HabariError: another place was named, or nobody is there to be asked.
    """
    if not plan.lost:
        return
    if meant is None and sys.stdin.isatty():
        meant = typer.prompt(
            f"This deletes {', '.join(plan.lost)}. Type the namespace to confirm",
            default="",
            show_default=False,
            err=True,
        )
    if meant != plan.place:
        seen = f"{meant} was given" if meant else "it was not confirmed"
        raise HabariError(
            f"Namespace {plan.place}: {seen}; confirm with its name that this deletes"
            f" {', '.join(plan.lost)}.",
            f"{again} --confirm {plan.place}",
            USAGE,
        )


def again(verb: str, ctx: Context) -> str:
    """Return the command for a verb at the same cluster, namespace and tenant."""
    settings = ctx.settings
    if settings.tenant and verb in ("up", "down"):
        return f"habari-local tenant {verb} {settings.tenant} --context {settings.kube_context}"
    tenant = f"HABARI_TENANT={settings.tenant} " if settings.tenant else ""
    return (
        f"{tenant}habari-local {verb} --mode cluster --context {settings.kube_context}"
        f" --namespace {settings.kube_namespace}"
    )
