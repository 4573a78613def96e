"""The buckets' step of process mode: bootstrap S3, and what users' servers are told of it."""

from __future__ import annotations

from habari_local.config.render.dotenv import as_dotenv
from habari_local.config.secrets import keep, write_changed
from habari_local.modes.process import services
from habari_local.platform.mode import UNCHANGED, Context, Progress, S3Endpoint, Step
from habari_local.s3.bootstrap import bootstrap
from habari_local.s3.s3_client import Buckets, S3Access, S3Target
from habari_local.s3.server_env import server_environment

ID, SECRET, STATE = "s3_access_key_id", "s3_secret_access_key", "s3_state"


def step(after: tuple[str, ...]) -> Step:
    """Return the step that makes buckets, user, policy and key, and writes the servers' file."""

    def action(ctx: Context, say: Progress) -> str:
        say("making the buckets lake and notebooks")
        access = bootstrap(target(ctx), names(ctx), _kept(ctx))
        new = {ID: access.access_key_id, SECRET: access.secret_access_key, STATE: access.state}
        keep(ctx.checkout.state, new)
        path = ctx.checkout.of_mode(services.NAME) / "server.env"
        given = server_environment(target(ctx), ctx.settings, access)
        contents = ctx.checkout.root / "jupyter" / "habari_contents"
        text = as_dotenv({**given, "PYTHONPATH": str(contents)})
        if not write_changed(path, text):
            return UNCHANGED
        return "made" if access.user_made else "the given key serves"

    return Step("buckets", "buckets and key", action, after)


def target(ctx: Context) -> S3Target:
    """Return the S3 to bootstrap, with the key that may do that."""
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
        f"http://{services.HOST}:{settings.port('s3')}",
        settings.s3_region,
        ctx.secrets["s3_root_access_key_id"],
        ctx.secrets["s3_root_secret_access_key"],
        settings.s3_backend,
    )


def names(ctx: Context) -> Buckets:
    """Return the names of the two buckets."""
    return Buckets(ctx.settings.lake_bucket, ctx.settings.notebooks_bucket)


def endpoint(ctx: Context) -> S3Endpoint:
    """Return the buckets and the key that servers get."""
    of = target(ctx)
    return S3Endpoint(
        of.endpoint_url,
        of.region,
        ctx.secrets.get(ID, ""),
        ctx.secrets.get(SECRET, ""),
        ctx.settings.lake_bucket,
        ctx.settings.notebooks_bucket,
    )


def _kept(ctx: Context) -> S3Access | None:
    if ID not in ctx.secrets or ctx.settings.s3_backend == "aws":
        return None
    state = ctx.secrets.get(STATE, "")
    return S3Access(ctx.secrets[ID], ctx.secrets[SECRET], user_made=True, state=state)
