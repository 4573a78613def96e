"""The buckets' step of the Compose modes, and S3 as this machine and as containers see it."""

from __future__ import annotations

from collections.abc import Callable

from habari_local.config.secrets import keep
from habari_local.platform.mode import UNCHANGED, Context, Progress, S3Endpoint, Step
from habari_local.s3.bootstrap import bootstrap
from habari_local.s3.s3_client import Buckets, S3Access, S3Target
from habari_local.s3.server_env import server_environment

INSIDE = "http://s3:4566"  # its name on the networks of those who may reach it


def step(mode: str, use: Callable[[Context, dict[str, str]], bool], after: tuple[str, ...]) -> Step:
    """Return the step that makes buckets, user, policy and key.

    `use` is given the variables of users' servers and returns whether that changed anything.
    """

    def action(ctx: Context, say: Progress) -> str:
        say("making the buckets lake and notebooks")
        names = Buckets(ctx.settings.lake_bucket, ctx.settings.notebooks_bucket)
        access = bootstrap(target(ctx), names, _kept(ctx, mode))
        told = (access.access_key_id, access.secret_access_key, access.state)
        known = dict(zip(key_names(mode), told, strict=True))
        ctx.secrets.update(keep(ctx.checkout.state, known))
        if not use(ctx, environment(ctx, mode)):
            return UNCHANGED
        return "made" if access.user_made else "the given key serves"

    return Step("buckets", "buckets and key", action, after)


def key_names(mode: str) -> tuple[str, str, str]:
    """Return what key and state of a mode's S3 are called among the secrets: each has its own."""
    return f"{mode}_s3_access_key_id", f"{mode}_s3_secret_access_key", f"{mode}_s3_state"


def target(ctx: Context, *, inside: bool = False) -> S3Target:
    """Return the S3 with the key that may make buckets, as seen from here or from containers."""
    settings = ctx.settings
    if settings.s3_backend == "aws":
        return S3Target(
            settings.s3_endpoint_url or None,
            settings.s3_region,
            settings.s3_access_key_id,
            settings.s3_secret_access_key.get_secret_value(),
            settings.s3_backend,
        )
    return S3Target(
        INSIDE if inside else f"http://127.0.0.1:{settings.port('s3')}",
        settings.s3_region,
        ctx.secrets["s3_root_access_key_id"],
        ctx.secrets["s3_root_secret_access_key"],
        settings.s3_backend,
    )


def environment(ctx: Context, mode: str) -> dict[str, str]:
    """Return what users' servers are told of S3."""
    return server_environment(target(ctx, inside=True), ctx.settings, _access(ctx, mode))


def endpoint(ctx: Context, mode: str) -> S3Endpoint:
    """Return the buckets and the key that servers get, as seen from here."""
    seen, access = target(ctx), _access(ctx, mode)
    return S3Endpoint(
        seen.endpoint_url,
        seen.region,
        access.access_key_id,
        access.secret_access_key,
        ctx.settings.lake_bucket,
        ctx.settings.notebooks_bucket,
    )


def known(ctx: Context, mode: str) -> bool:
    """Whether there is a key that servers can be given."""
    return bool(_access(ctx, mode).access_key_id)


def _access(ctx: Context, mode: str) -> S3Access:
    if ctx.settings.s3_backend == "aws":
        given = target(ctx)
        return S3Access(given.access_key_id, given.secret_access_key, user_made=False)
    key, secret, state = (ctx.secrets.get(name, "") for name in key_names(mode))
    return S3Access(key, secret, state=state)


def _kept(ctx: Context, mode: str) -> S3Access | None:
    kept = _access(ctx, mode)
    return kept if kept.access_key_id and kept.user_made else None
