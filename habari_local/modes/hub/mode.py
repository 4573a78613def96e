"""Hub mode: the platform in Docker Compose, a container for each user's server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from habari_local.config.render import compose as render
from habari_local.config.render.compose import as_dotenv
from habari_local.config.secrets import write_changed
from habari_local.core import container_user, polling
from habari_local.identity.users import people
from habari_local.modes.hub.backup import ComposeBackup
from habari_local.modes.hub.database import password
from habari_local.platform.compose import handles, image_steps
from habari_local.platform.compose.mode import ComposeMode
from habari_local.platform.compose.steps import (
    START_SECONDS,
    Bringup,
    containers,
    folders,
    networks,
    service,
)
from habari_local.platform.endpoints import build_endpoints
from habari_local.platform.mode import UNCHANGED, Address, Context, Endpoints, Progress, Step
from habari_local.platform.s3_setup import S3Setup

IMAGES = {"db": "postgres"}  # service → image, where they are called differently


class HubMode(ComposeMode, ComposeBackup):
    """Hub, PostgreSQL, proxy, S3 and fake GitHub as containers; see the list in `steps`."""

    name = "hub"
    summary = (
        "Docker Compose with DockerSpawner and PostgreSQL: the image, the spawner, the database"
    )
    s3_backend = "localstack"
    s3 = S3Setup("hub_")
    notes = ()
    titles: Mapping[str, str] = {
        "s3": "S3",
        "db": "PostgreSQL",
        "github": "fake GitHub",
        "socket": "socket proxy",
        "proxy": "proxy",
        "hub": "JupyterHub",
    }
    ports: Mapping[str, str] = {"s3": "s3", "github": "github", "proxy": "hub"}

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up."""
        bringup = Bringup(self.ours(ctx))
        wanted = self.services(ctx)
        made = [IMAGES.get(name, name) for name in wanted] + ["notebook"]
        steps = [
            folders(self.name),
            image_steps.step(made),
            containers(bringup, self.name, _files, ("folders", "images"), partners=_partners),
        ]
        for name in wanted:
            page = self.health(ctx, name)
            steps.append(service(bringup, name, self.titles[name], page))
        steps.append(password(bringup))
        after = ("s3",) if "s3" in wanted else ("folders",)
        steps.append(self.s3.step(_tell_servers, after))
        steps.append(networks(bringup, _partners))
        steps.append(self._routes(("proxy", "hub")))
        return steps

    def _routes(self, after: tuple[str, ...]) -> Step:
        def action(ctx: Context, say: Progress) -> str:
            page = f"{render.public_url(ctx.settings)}/hub/health"
            if polling.http_ok(page):
                return UNCHANGED
            if not ctx.wait:
                return "not waited for"
            polling.wait_until(
                lambda: polling.http_ok(page),
                "Habari",
                seconds=START_SECONDS,
                tick=lambda: say(f"waiting for {page}"),
                cancel=ctx.cancel,
            )
            return "connected"

        return Step("routes", "the address that users open", action, after)

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is."""
        public = render.public_url(ctx.settings)
        addresses = {
            "proxy": Address(public, "http://proxy:8000"),
            "hub": Address(f"{public}/hub/api", "http://hub:8081/hub/api"),
            **self.s3.addresses(ctx),
        }
        if not ctx.settings.real_github:
            url = self.url(ctx, "github")
            addresses["github"] = Address(url, url)
        return build_endpoints(ctx, self.name, public, addresses, self.s3.endpoint(ctx))


def _files(ctx: Context) -> dict[str, str]:
    return render.of_hub_mode(ctx.settings, ctx.secrets, _place(ctx), people(ctx.settings))


def _place(ctx: Context) -> render.Place:
    wanted = image_steps.references(
        ctx, ["hub", "proxy", "socket", "github", "postgres", "notebook"]
    )
    if ctx.settings.s3_backend != "aws":
        wanted |= image_steps.references(ctx, ["s3"])
    return handles.render_place(ctx, HubMode.name, wanted)


def _partners(ctx: Context) -> Mapping[str, str]:
    return render.partners(ctx.settings, handles.render_place(ctx, HubMode.name, {}))


def _tell_servers(ctx: Context, environment: dict[str, str]) -> bool:
    """Write what servers are told of S3 where the hub reads it at each spawn."""
    file = ctx.checkout.of_mode(HubMode.name) / handles.SERVER_FOLDER / "server.env"
    changed = write_changed(file, as_dotenv(environment))
    if file.stat().st_uid != container_user.uid():
        container_user.chown(file)
    return changed


MODE = HubMode()
