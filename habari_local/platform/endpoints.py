"""The endpoints of a platform that this checkout runs, whichever mode it is."""

from __future__ import annotations

from collections.abc import Mapping

from habari_local.identity.users import kinds
from habari_local.platform.mode import Address, Context, Endpoints, S3Endpoint


def build_endpoints(
    ctx: Context,
    mode: str,
    url: str,
    services: Mapping[str, Address],
    s3: S3Endpoint,
    kubernetes: Mapping[str, str] | None = None,
) -> Endpoints:
    """Return the endpoints of a platform with a hub, whose public address is `url`."""
    github = services.get("github")
    return Endpoints(
        mode=mode,
        hub_url=f"{url}/",
        hub_api_token=ctx.secrets["hub_api_token"],
        s3=s3,
        users=kinds(ctx.settings),
        github={"url": github.from_host, "control_token": ctx.secrets["github_control_token"]}
        if github
        else None,
        services=services,
        project_path=str(ctx.project_path),
        kubernetes=kubernetes,
    )
