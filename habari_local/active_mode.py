"""Which mode is active in a checkout, and the context that a command works in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from habari_local import modes
from habari_local.config.load import as_environment, environment, load
from habari_local.config.secrets import Secrets, load_secrets, write_private
from habari_local.config.settings import Settings, fields_by_variable
from habari_local.core.checkout import Identity, of_the_same_path, record
from habari_local.core.errors import NOT_READY, USAGE, ConfigError, HabariError, NotRunning
from habari_local.core.paths import Checkout, find_checkout
from habari_local.drivers import kind, processes
from habari_local.drivers.docker import client as docker_client
from habari_local.platform.mode import Context, Mode, RemoteMode, ServiceStatus

SNAPSHOT = "settings.json"
KEPT_IN_DOCKER = ("hub", "nohub", "kind")
NOTELESS = "keys lost"  # how a service is whose keys were in a .habari that was deleted


def snapshot_path(checkout: Checkout, mode: str) -> Path:
    """Return the file with the settings that `up` last used; it is there while a mode is active."""
    return checkout.root / ".habari" / mode / SNAPSHOT


def remember(ctx: Context, mode: str) -> None:
    """Write down the settings that a mode comes up with (private: it may hold a user's keys)."""
    values = {"checkout": ctx.checkout.id, **as_environment(ctx.settings)}
    ctx.checkout.of_mode(mode)
    write_private(snapshot_path(ctx.checkout, mode), json.dumps(values, indent=1) + "\n")


def forget(checkout: Checkout, mode: str) -> None:
    """Say that a mode is not active any more."""
    snapshot_path(checkout, mode).unlink(missing_ok=True)


def active_mode(checkout: Checkout) -> str | None:
    """Return the mode that was brought up last and not taken down.

    Without notes, as after `git clean`, it is the one that still runs.
    """
    noted = (name for name in modes.names() if _noted(checkout, name))
    return next(noted, None) or next(iter(running_modes(checkout)), None)


def running_modes(checkout: Checkout) -> list[str]:
    """Return the modes of which something runs here, found by its label alone."""
    found = {each.mode for each in processes.find(checkout.id)} | docker_client.running_modes(
        checkout.id
    )
    return [name for name in modes.names() if name in found]


def without_notes(ctx: Context, mode: str) -> list[ServiceStatus]:
    """Return what runs of a mode whose secrets are gone, as after `git clean`: found by label.

    Empty where the notes are there, or nothing runs.
    """
    if ctx.secrets:
        return []
    rows = [
        ServiceStatus(each.service or "server", NOTELESS, "", each.since, each.memory(), each.user)
        for each in processes.find(ctx.checkout.id, mode)
        if each.service or each.user
    ]
    if mode in KEPT_IN_DOCKER and docker_client.reachable():
        ours = docker_client.ResourceLabels(ctx.checkout.id, mode)
        rows += [
            ServiceStatus(each.service or "server", NOTELESS, "", each.since, None, each.user)
            for each in docker_client.containers(ours)
            if each.state == "running"
        ]
        nodes = kind.find_nodes(cluster(ctx.checkout)) if mode == "kind" else []
        rows += [ServiceStatus(each.name, NOTELESS) for each in nodes if each.running]
    return list({(row.name, row.user): row for row in rows}.values())


def earlier(mode: Mode, ctx: Context) -> dict[str, list[str]]:
    """Return what is kept in Docker of checkouts that this one may have been: id → volumes.

    Those that were at this path, or where this one was before. Empty where this checkout has data
    of the mode itself; what is in use is left out.
    """
    if mode.name not in KEPT_IN_DOCKER or mode.data(ctx) or not docker_client.reachable():
        return {}
    own = ctx.checkout.identity
    return {
        each: volumes
        for each, volumes in docker_client.volumes_by_checkout(mode.name).items()
        if each != own.id
        and (each == own.earlier or of_the_same_path(each, own.id))
        and not docker_client.running_modes(each)
    }


def adopt(mode: Mode, ctx: Context, wanted: str) -> None:
    """Give the checkout the id of an earlier one, and so all that Docker keeps of that.

    Raises:
        HabariError: something runs here, or nothing is kept under that id.
    """
    if running_modes(ctx.checkout):
        raise HabariError(f"{ctx.checkout.root}: something runs here.", "habari-local down")
    if wanted not in earlier(mode, ctx):
        raise HabariError(
            f"{wanted}: nothing of mode {mode.name} that is not in use is kept under this id,"
            " or this checkout has data of its own there.",
            f"docker volume ls --filter label={docker_client.MODE}={mode.name}",
            USAGE,
        )
    record(ctx.checkout.root, Identity(wanted))


def cluster(checkout: Checkout) -> str:
    """Return the name of the checkout's kind cluster."""
    return f"habari-{checkout.id}"


def _noted(checkout: Checkout, mode: str) -> bool:
    """Whether `up` left its settings here; those in a copied checkout are another's."""
    try:
        kept = json.loads(snapshot_path(checkout, mode).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(kept.get("checkout", checkout.id) == checkout.id)


def from_settings(
    mode: str | None, flags: Mapping[str, str], *, wait: bool = True
) -> tuple[Mode, Context]:
    """Return the wanted mode and a context of the settings as they are now: what `up` works with.

    Raises:
        ConfigError: the settings can't be used.
    """
    checkout = find_checkout()
    settings = load(checkout.root, flags).settings
    chosen = mode or active_mode(checkout) or settings.mode
    if chosen not in modes.names():
        raise ConfigError([f"HABARI_MODE={chosen}: expected one of {', '.join(modes.names())}"])
    secrets = load_secrets(checkout.state)
    found = modes.get(chosen)
    return found, Context(checkout, _settled(settings, found), secrets, environment(), wait=wait)


def current(
    mode: str | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Mode, Context]:
    """Return the active mode and a context of the settings that it came up with.

    While nothing is active the settings as they are now serve, and the defaults where those can't
    be used: `status` and `down` must work then too. `flags` name what is not remembered.

    Raises:
        ConfigError: there are flags, and the settings can't be used.
    """
    checkout = find_checkout()
    chosen = mode or active_mode(checkout)
    kept = snapshot_path(checkout, chosen) if chosen and _noted(checkout, chosen) else None
    if kept:
        settings = _restore(json.loads(kept.read_text(encoding="utf-8")))
    else:
        try:
            settings = load(checkout.root, flags).settings
        except ConfigError:
            if flags:
                raise
            settings = Settings()
    state = checkout.root / ".habari"
    secrets = load_secrets(state) if (state / "secrets.json").is_file() else Secrets()
    found = modes.get(chosen or settings.mode)
    return found, Context(checkout, _settled(settings, found), secrets, environment())


def require_running(
    mode: str | None = None, flags: Mapping[str, str] | None = None
) -> tuple[Mode, Context]:
    """Return what `current` does, of a mode that is up, or elsewhere: that is for others to know.

    Raises:
        NotRunning: it is not.
        HabariError: it runs, and its secrets are gone.
    """
    found, ctx = current(mode, flags)
    if isinstance(found, RemoteMode):
        return found, ctx
    if active_mode(ctx.checkout) != found.name:
        raise NotRunning(mode=mode)
    require_secrets(found, ctx)
    if not ctx.secrets:  # up it was; what ran has ended since
        raise NotRunning(mode=found.name)
    return found, ctx


def require_secrets(mode: Mode, ctx: Context) -> None:
    """Refuse to work with what runs here if its secrets are gone.

    Raises:
        HabariError: that is so.
    """
    found = without_notes(ctx, mode.name)
    if found:
        names = ", ".join(dict.fromkeys(row.title for row in found))
        raise HabariError(
            f"Mode {mode.name} of {ctx.checkout.root}: {names} run, but .habari with their keys was"
            " deleted.",
            f"habari-local up --mode {mode.name}",
            NOT_READY,
        )


def _settled(settings: Settings, mode: Mode) -> Settings:
    """Return the settings with what the mode decides where they leave it open."""
    if settings.s3_backend != "auto":
        return settings
    return settings.model_copy(update={"s3_backend": mode.s3_backend})


def _restore(values: Mapping[str, str]) -> Settings:
    known = fields_by_variable()
    aliases = {name: Settings.model_fields[field].alias or field for name, field in known.items()}
    return Settings.model_validate({aliases[n]: v for n, v in values.items() if n in aliases})
