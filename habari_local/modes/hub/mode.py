"""Hub mode: the platform in Docker Compose, a container for each user's server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from habari_local.config.render import compose as render
from habari_local.config.render.compose import as_dotenv
from habari_local.config.secrets import write_changed
from habari_local.core import container_user
from habari_local.diagnosis import hints
from habari_local.drivers.docker import archive as docker_archive
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.tar_stream import Report, Sink
from habari_local.identity.users import people
from habari_local.modes.hub import database
from habari_local.platform.compose.mode import ComposeMode
from habari_local.platform.compose.platform import SERVER_FOLDER, ComposePlatform
from habari_local.platform.compose.steps import (
    Bringup,
    containers,
    folders,
    networks,
    service,
)
from habari_local.platform.mode import (
    Address,
    Archive,
    Context,
    Endpoints,
    Home,
    Step,
    build_endpoints,
)
from habari_local.platform.s3_setup import S3Setup
from habari_local.platform.scheduler import images_step
from habari_local.platform.steps import public_address

IMAGES = {"db": "postgres"}  # service → image, where they are called differently


class HubMode(ComposeMode):
    """Hub, PostgreSQL, proxy, S3 and fake GitHub as containers; see the list in `steps`."""

    name = "hub"
    summary = (
        "Docker Compose with DockerSpawner and PostgreSQL: the image, the spawner, the database"
    )
    s3_backend = "localstack"
    s3 = S3Setup("hub_")
    notes = ()
    watched = ("hub", "jupyter", "images", "compose")
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
        bringup, wanted = Bringup(self.platform(ctx)), self.services(ctx)
        made = [IMAGES.get(name, name) for name in wanted] + ["notebook"]
        steps = [
            folders(bringup.platform),
            images_step(made),
            containers(bringup, _files, ("folders", "images"), partners=_partners),
        ]
        for name in wanted:
            page = self.health(ctx, name)
            steps.append(service(bringup, name, self.titles[name], page))
        steps.append(database.password(bringup))
        after = ("s3",) if "s3" in wanted else ("folders",)
        steps.append(self.s3.step(_write_server_env, after))
        steps.append(networks(bringup, _partners))
        steps.append(public_address(render.public_url(ctx.settings), ("proxy", "hub")))
        return steps

    def follow(self, ctx: Context, edited: Collection[Path]) -> None:
        """Leave every edit to `up`, which rebuilds the images that it is part of."""

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

    def killed_for_memory(self, ctx: Context, user: str) -> str:
        """Return what of a user's server was killed for memory."""
        found = [each for each in self.platform(ctx).containers() if each.user == user]
        if not found or not docker_client.killed_for_memory(found[0].id):
            return ""
        return hints.killed_for_memory(user, ctx.settings.server_memory)

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there, by their volumes' labels."""
        filters = self.platform(ctx).labels.filters
        found = docker_client.api().volumes(filters=filters)["Volumes"] or ()
        labelled = {each["Name"]: each.get("Labels") or {} for each in found}
        return [
            Home(
                labels[docker_client.USER],
                {"volume": name, "labels": labels, "uid": container_user.uid()},
            )
            for name, labels in sorted(labelled.items())
            if docker_client.USER in labels
        ]

    @contextmanager
    def maintenance(self, ctx: Context) -> Iterator[None]:
        """Remove the hub; `up` creates it again."""
        found = self.platform(ctx).containers()
        docker_client.remove(each for each in found if each.service == "hub")
        yield

    def home_of(self, ctx: Context, owner: str) -> Home:
        """Return a user's home: the volume that DockerSpawner gives them."""
        platform = self.platform(ctx)
        labels = {**platform.labels.labels, docker_client.USER: owner}
        volume = f"{platform.project.name}-home-{_escaped(owner)}"
        return Home(owner, {"volume": volume, "labels": labels, "uid": container_user.uid()})

    def take_home(self, ctx: Context, home: Home, into: Sink) -> Report:
        """Write all that can be read in a home."""
        platform = self.platform(ctx)
        image = platform.references(["hub"])["hub"]
        return docker_archive.pack(home.about["volume"], image, platform.labels.labels, into)

    def put_home(self, ctx: Context, home: Home, source: Archive) -> Report:
        """Make a home unless it is there, and put what was taken in the place of what is in it."""
        platform = self.platform(ctx)
        own = home.about["volume"].partition("-home-")[2]
        volume = f"{platform.project.name}-home-{own}"
        docker_client.ensure_volume(volume, {**home.about["labels"], **platform.labels.labels})
        return docker_archive.unpack(
            volume,
            platform.references(["hub"])["hub"],
            platform.labels.labels,
            source.file,
            **source.options,
            users=[home.about["uid"], container_user.uid()],
        )

    def delete_home(self, _ctx: Context, home: Home) -> None:
        """Delete a home's volume."""
        docker_client.remove_volumes([home.about["volume"]])

    def take_database(self, ctx: Context, into: Sink) -> bool:
        """Write the hub's database, as SQL."""
        database.dump(self.platform(ctx), into)
        return True

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Replace the hub's database; no hub runs."""
        database.load(self.platform(ctx), source)


def _escaped(user: str) -> str:
    """Return a name as DockerSpawner has it in the names of containers and volumes."""
    return "".join(
        chr(each) if each in b"abcdefghijklmnopqrstuvwxyz0123456789" else f"-{each:x}"
        for each in user.encode()
    )


def _files(platform: ComposePlatform) -> dict[str, str]:
    ctx = platform.ctx
    s3 = [] if ctx.settings.s3_backend == "aws" else ["s3"]
    services = ["hub", "proxy", "socket", "github", "postgres", "notebook", *s3]
    where = platform.place(platform.references(services))
    return render.of_hub_mode(ctx.settings, ctx.secrets, where, people(ctx.settings))


def _partners(platform: ComposePlatform) -> Mapping[str, str]:
    return render.partners(platform.ctx.settings, platform.place({}))


def _write_server_env(ctx: Context, environment: dict[str, str]) -> bool:
    """Write servers' variables of S3 to where the hub reads them at each spawn."""
    file = ctx.checkout.of_mode(HubMode.name) / SERVER_FOLDER / "server.env"
    changed = write_changed(file, as_dotenv(environment))
    if file.stat().st_uid != container_user.uid():
        container_user.chown(file)
    return changed


MODE = HubMode()
