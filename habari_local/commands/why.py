"""`habari-local why`: the first thing that is broken, what was seen, and what to do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands import completion
from habari_local.commands.options import AsJson, ContextName, ModeName, Namespace, cluster
from habari_local.core.console import Prose, Result, Table
from habari_local.core.errors import NOT_READY, HabariError

WIDEST = 200  # letters of a line of a log that are shown

if TYPE_CHECKING:
    from habari_local.diagnosis.diagnosis import Diagnosis, Target
    from habari_local.platform.mode import Context, Endpoints, Mode, PodIssue, SupportsPodDiagnosis


def why(
    user: Annotated[
        str,
        typer.Argument(
            metavar="[USER]", help="Whose server to check.", autocompletion=completion.users
        ),
    ] = "",
    mode: ModeName = None,
    context: ContextName = None,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> Result:
    """Name the first thing that is broken.

    Of Habari, or of one user's server, with the evidence and what to do.

    Example: habari-local why grace
    """
    from habari_local import active_mode
    from habari_local.commands.dashboard import tell_diagnosis

    chosen, ctx = active_mode.current(mode, cluster(mode, context, namespace))
    active_mode.require_secrets(chosen, ctx)
    found = diagnosed(chosen, ctx, user.lower())
    data = {"mode": chosen.name, "user": user, **found.as_json()}
    if not user:
        tell_diagnosis(chosen, ctx, data)
    return Result(data, _shown(found), NOT_READY if found.broken else 0, as_json=as_json)


def diagnosed(mode: Mode, ctx: Context, user: str = "") -> Diagnosis:
    """Return what `why` says of a platform, and of a user's server on it."""
    from habari_local.diagnosis.checks import CHECKS
    from habari_local.diagnosis.diagnosis import diagnose

    return diagnose(_target(mode, ctx, user), CHECKS)


def _target(mode: Mode, ctx: Context, user: str) -> Target:
    from habari_local import active_mode
    from habari_local.config.load import load
    from habari_local.diagnosis.diagnosis import Target
    from habari_local.platform.mode import RemoteMode, SupportsPodDiagnosis, SupportsPrecheck

    elsewhere = isinstance(mode, RemoteMode)
    where = _found(mode, ctx) if elsewhere else mode.endpoints(ctx) if ctx.secrets else None
    rows = mode.status(ctx) if where else []
    servers = [row.user for row in rows if row.user]
    allowed = {*ctx.settings.admin_users, *ctx.settings.allowed_users}
    if isinstance(mode, RemoteMode):
        allowed = set(mode.allowed_users(ctx)) if where else set()
    github = where.github if where else None
    about = user or next(iter(servers), "")
    pod_issue = (
        partial(_pod_issue, mode, ctx, about)
        if where and isinstance(mode, SupportsPodDiagnosis)
        else None
    )
    return Target(
        url=where.hub_url if where else "",
        token=where.hub_api_token if where else "",
        has_hub=where.hub if where else True,
        user=about,
        running={row.name: row.state for row in rows if not row.user},
        allowed_users=frozenset(allowed),
        by_organization=elsewhere or bool(ctx.settings.allowed_organizations),
        github=github["url"] if github else "",
        allow=lambda name: _allow(mode, ctx, name),
        check=lambda: _check(mode, ctx, there=where is not None),
        settings=lambda: load(ctx.checkout.root),
        missing=lambda: mode.missing(ctx) if isinstance(mode, SupportsPrecheck) else "",
        check_buckets=lambda: _check_buckets(where, ctx.settings.s3_backend) if where else None,
        log=lambda name, lines: _log(mode, ctx, about, name, lines),
        killed_for_memory=lambda name: _killed(mode, ctx, name) if where else "",
        more_memory=lambda name: _more_memory(mode, ctx, name),
        up=where is not None and (elsewhere or active_mode.active_mode(ctx.checkout) == mode.name),
        pod_issue=pod_issue,
        remote=elsewhere,
    )


def _allow(mode: Mode, ctx: Context, name: str) -> str:
    from habari_local.config.load import load
    from habari_local.diagnosis import hints
    from habari_local.platform.mode import RemoteMode

    if isinstance(mode, RemoteMode):  # its lists are in the values that it was deployed with
        return f"add {name} to the allowed_users of config.yaml, then deploy it"
    return hints.allow(load(ctx.checkout.root).settings, name, ctx.environ)


def _check(mode: Mode, ctx: Context, *, there: bool) -> None:
    """Check what is to be deployed, or in a cluster what is: its files may be another's."""
    from habari_local.platform.mode import RemoteMode

    if isinstance(mode, RemoteMode) and there:
        mode.check_release(ctx)
    else:
        mode.check(_whole(ctx))


def _log(mode: Mode, ctx: Context, user: str, name: str, lines: int) -> list[str]:
    known = name in (*mode.services(ctx), user)
    return list(mode.logs(ctx, [name], follow=False, lines=lines)) if known and name else []


def _killed(mode: Mode, ctx: Context, user: str) -> str:
    from habari_local.platform.mode import SupportsMemoryDiagnosis

    return mode.killed_for_memory(ctx, user) if isinstance(mode, SupportsMemoryDiagnosis) else ""


def _more_memory(mode: Mode, ctx: Context, name: str) -> str:
    from habari_local.diagnosis import hints
    from habari_local.platform.mode import RemoteMode

    if isinstance(mode, RemoteMode):  # the limit is in the values that it was deployed with
        return "raise singleuser.memory.limit of config.yaml, then deploy it"
    return f"{hints.more_memory(ctx.settings, ctx.environ)} && habari-local restart {name}"


def _pod_issue(
    mode: SupportsPodDiagnosis, ctx: Context, user: str, service: str
) -> PodIssue | None:
    return mode.pod_issue(ctx, service, "" if service else user)


def _found(mode: Mode, ctx: Context) -> Endpoints | None:
    """Return the endpoints of what is elsewhere; None if they can't be had, as the checks say."""
    try:
        return mode.endpoints(ctx)
    except HabariError:
        return None


def _whole(ctx: Context) -> Context:
    """Return a context that a mode can check with; nothing is made for a mere look."""
    from dataclasses import replace

    from habari_local.config.secrets import MADE, Secrets

    return ctx if ctx.secrets else replace(ctx, secrets=Secrets(dict.fromkeys(MADE, "none yet")))


def _check_buckets(where: Endpoints, backend: str) -> None:
    client = where.s3.client(backend)
    for bucket in (where.s3.lake_bucket, where.s3.notebooks_bucket):
        client.head_bucket(Bucket=bucket)


def _shown(found: Diagnosis) -> list[str | Prose | Table]:
    from habari_local.diagnosis.evidence import telling

    table = Table(["check", "state", "seen"], [(c.name, c.state, c.message) for c in found.checks])
    if found.broken is None:
        return [table, "All checks passed."]
    broken = found.broken
    lines: list[str | Prose | Table] = [table]
    lines += [Prose(f"  {line[:WIDEST]}") for line in telling(found.log)]
    message = broken.message.rstrip(".")
    end = "" if message.endswith("?") else "."
    lines.append(Prose(f"{broken.name}: {message}{end} Expected: {broken.expected}."))
    if found.known_issue:
        lines.append(Prose(f"{found.known_issue.message} More: {found.known_issue.link}"))
    lines.append(f"Try: {broken.hint}")
    return lines
