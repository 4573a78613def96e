"""Nohub mode: one notebook server and S3 in Docker Compose, for work on the notebook image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from habari_local.config.render import compose as render
from habari_local.config.secrets import write_changed
from habari_local.core import container_user, polling
from habari_local.core.errors import HabariError
from habari_local.drivers.docker import archive as docker_archive
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.tar_stream import Report, Sink
from habari_local.identity.users import kinds
from habari_local.platform.compose.mode import ComposeMode
from habari_local.platform.compose.platform import ComposePlatform
from habari_local.platform.compose.steps import Bringup, again, containers, folders, service
from habari_local.platform.mode import Address, Archive, Context, Endpoints, Home, Step
from habari_local.platform.s3_setup import S3Setup
from habari_local.platform.scheduler import images_step

RESTART_SECONDS = 60.0
OWNER = "jovyan"  # as the images call whoever works there
# Mounted into the container: a restart is enough. All else of the folder goes into the image.
LIVE = ("habari_contents/habari_contents", "jupyter_server_config.py")


class NohubMode(ComposeMode):
    """A notebook server without a hub, and S3; see the list in `steps`."""

    name = "nohub"
    summary = "Docker Compose with one notebook server and no hub: customising the notebook image"
    s3_backend = "moto"
    watched = ("jupyter", "images/s3", "compose")
    s3 = S3Setup("nohub_")
    notes = ("anyone with the link above is in: it holds the server's token",)
    titles: Mapping[str, str] = {"s3": "S3", "notebook": "notebook server"}
    ports: Mapping[str, str] = {"s3": "s3", "notebook": "notebook"}

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up: the server starts with S3 where its key is known already."""
        bringup = Bringup(self.platform(ctx))
        only = () if self.s3.has_key(ctx) else ("s3",)  # its key is not known yet
        steps = [
            folders(bringup.platform),
            images_step(self.services(ctx)),
            containers(bringup, _files, ("folders", "images"), only),
        ]
        after = "folders"
        if "s3" in self.services(ctx):
            steps.append(service(bringup, "s3", self.titles["s3"], self.health(ctx, "s3")))
            after = "s3"
        steps.append(self.s3.step(_tell_server, (after,)))
        steps.append(again(bringup, ("containers", "buckets")))
        page = self.health(ctx, "notebook")
        steps.append(service(bringup, "notebook", self.titles["notebook"], page, ("server",)))
        return steps

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the one home that is there, by its volume."""
        platform = self.platform(ctx)
        volume = f"{platform.project.name}_home"
        there = volume in docker_client.volumes(platform.labels)
        return [self.home_of(ctx, OWNER)] if there else []

    def home_of(self, _ctx: Context, owner: str) -> Home:
        """Return the one home, under whatever name."""
        return Home(owner, {"uid": container_user.uid()})

    @contextmanager
    def maintenance(self, ctx: Context) -> Iterator[None]:
        """Remove the server, which is all that works in the home; `up` creates it again."""
        found = self.platform(ctx).containers()
        docker_client.remove(each for each in found if each.service == "notebook")
        yield

    def take_home(self, ctx: Context, _home: Home, into: Sink) -> Report:
        """Write all that can be read in the home."""
        return docker_archive.pack(*self._volume(ctx), into)

    def put_home(self, ctx: Context, home: Home, source: Archive) -> Report:
        """Put what was taken in the place of what is in the home."""
        return docker_archive.unpack(
            *self._volume(ctx),
            source.file,
            **source.options,
            users=[home.about["uid"], container_user.uid()],
        )

    def _volume(self, ctx: Context) -> tuple[str, str, Mapping[str, str]]:
        """Return the home's volume, the image that can work on it, and our labels."""
        platform = self.platform(ctx)
        image = platform.references(["notebook"])["notebook"]
        return f"{platform.project.name}_home", image, platform.labels.labels

    def take_database(self, _ctx: Context, _into: Sink) -> bool:
        """Write nothing: without a hub there is no database."""
        return False

    def put_database(self, _ctx: Context, _source: IO[bytes]) -> None:
        """Refuse: no backup of this mode has one.

        Raises:
            HabariError: always.
        """
        raise HabariError(
            "Mode nohub: has no database that could be restored.",
            "habari-local backup restore --help",
        )

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is; what people open is the server itself."""
        url = f"http://localhost:{ctx.settings.port('notebook')}"
        return Endpoints(
            mode=self.name,
            hub_url=f"{url}/",
            hub_api_token=ctx.secrets["notebook_token"],
            s3=self.s3.endpoint(ctx),
            users=kinds(ctx.settings),
            github=None,
            services={
                "notebook": Address(url, "http://notebook:8888"),
                **self.s3.addresses(ctx),
            },
            project_path=str(ctx.project_path),
            hub=False,
        )

    def follow(self, ctx: Context, edited: Collection[Path]) -> str | None:
        """Restart the server where its container has the edited files mounted."""
        live = [ctx.checkout.root / "jupyter" / name for name in LIVE]
        if not all(any(path.is_relative_to(each) for each in live) for path in edited):
            return None
        self.restart(ctx, "notebook")
        page = self.health(ctx, "notebook")
        polling.wait_until(
            lambda: polling.http_ok(page), "notebook server", seconds=RESTART_SECONDS
        )
        return "notebook server restarted"


def _files(platform: ComposePlatform) -> dict[str, str]:
    ctx = platform.ctx
    environment = NohubMode.s3.environment(ctx)
    where = platform.place(platform.references(MODE.services(ctx)))
    return render.of_nohub_mode(ctx.settings, ctx.secrets, where, environment)


def _tell_server(ctx: Context, _environment: dict[str, str]) -> bool:
    """Write the server's environment again; return whether it has changed."""
    platform = MODE.platform(ctx)
    written = [write_changed(platform.folder / n, text) for n, text in _files(platform).items()]
    return any(written)


MODE = NohubMode()
