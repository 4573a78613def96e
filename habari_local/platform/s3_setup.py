"""A platform's S3: the step that makes buckets and key, and S3 as machine and servers see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from habari_local.config.secrets import keep
from habari_local.platform.mode import UNCHANGED, Address, Context, Progress, S3Endpoint, Step
from habari_local.s3.bootstrap import bootstrap
from habari_local.s3.s3_client import Buckets, S3Access, S3Target
from habari_local.s3.server_env import server_environment


@dataclass(frozen=True)
class S3Setup:
    """The S3 of one mode.

    `prefix` begins the names of its key among the secrets: each mode has a key of its own.
    `inside` is the address of the local S3 for containers and pods; None: they see this machine's.
    """

    prefix: str
    inside: str | None = "http://s3:4566"  # its name on the networks of those who may reach it

    def step(self, use: Callable[[Context, dict[str, str]], bool], after: tuple[str, ...]) -> Step:
        """Return the step that makes buckets, user, policy and key.

        `use` is given the variables of users' servers and returns whether that changed anything.
        """

        def action(ctx: Context, say: Progress) -> str:
            say("creating the buckets lake and notebooks")
            names = Buckets(ctx.settings.lake_bucket, ctx.settings.notebooks_bucket)
            access = bootstrap(self.target(ctx), names, self._kept(ctx))
            values = (access.access_key_id, access.secret_access_key, access.state)
            known = dict(zip(self.key_names, values, strict=True))
            ctx.secrets.update(keep(ctx.checkout.state, known))
            if not use(ctx, self.environment(ctx)):
                return UNCHANGED
            return "made" if access.user_made else "the given key works"

        return Step("buckets", "buckets and key", action, after)

    @property
    def key_names(self) -> tuple[str, str, str]:
        """What key ID, key and state are called among the secrets."""
        names = ("s3_access_key_id", "s3_secret_access_key", "s3_state")
        key_id, secret, state = (f"{self.prefix}{name}" for name in names)
        return key_id, secret, state

    def target(self, ctx: Context, *, inside: bool = False) -> S3Target:
        """Return the S3 with the key that may make buckets, as seen from here or from servers."""
        settings = ctx.settings
        if settings.s3_backend == "aws":
            return S3Target(
                settings.s3_endpoint_url or None,
                settings.s3_region,
                settings.s3_access_key_id,
                settings.s3_secret_access_key.get_secret_value(),
                settings.s3_backend,
            )
        here = f"http://127.0.0.1:{settings.port('s3')}"
        return S3Target(
            (self.inside or here) if inside else here,
            settings.s3_region,
            ctx.secrets["s3_root_access_key_id"],
            ctx.secrets["s3_root_secret_access_key"],
            settings.s3_backend,
        )

    def environment(self, ctx: Context) -> dict[str, str]:
        """Return the variables of users' servers."""
        return server_environment(self.target(ctx, inside=True), ctx.settings, self._access(ctx))

    def endpoint(self, ctx: Context) -> S3Endpoint:
        """Return the buckets and the key that servers get, as seen from here."""
        target, access = self.target(ctx), self._access(ctx)
        return S3Endpoint(
            target.endpoint_url,
            target.region,
            access.access_key_id,
            access.secret_access_key,
            ctx.settings.lake_bucket,
            ctx.settings.notebooks_bucket,
        )

    def addresses(self, ctx: Context) -> dict[str, Address]:
        """Return S3's address as that of a service; nothing where it is AWS's own."""
        here = self.target(ctx).endpoint_url
        if not here:
            return {}
        return {"s3": Address(here, self.target(ctx, inside=True).endpoint_url or here)}

    def has_key(self, ctx: Context) -> bool:
        """Whether there is a key that servers can be given."""
        return bool(self._access(ctx).access_key_id)

    def _access(self, ctx: Context) -> S3Access:
        if ctx.settings.s3_backend == "aws":
            given = self.target(ctx)
            return S3Access(given.access_key_id, given.secret_access_key, user_made=False)
        key_id, secret, state = (ctx.secrets.get(name, "") for name in self.key_names)
        return S3Access(key_id, secret, state=state)

    def _kept(self, ctx: Context) -> S3Access | None:
        kept = self._access(ctx)
        return kept if kept.access_key_id and kept.user_made else None
