"""Where hub mode keeps what `backup` takes: a volume for each home, a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from habari_local.drivers.docker import archive as docker_archive
from habari_local.drivers.docker import client as docker_client
from habari_local.modes.hub.database import DATABASE, NAME, PSQL, USER, container
from habari_local.platform.backup_protocol import Home
from habari_local.platform.compose import handles, image_steps
from habari_local.platform.mode import Context

DUMP = ("pg_dump", f"--username={USER}", "--no-owner", DATABASE)
LOAD = (*PSQL, "--single-transaction", "--output=/dev/null")
EMPTY = b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"


class ComposeBackup:
    """What makes mode hub one of `Keeping`."""

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there, by their volumes' labels."""
        ours = docker_client.ResourceLabels(ctx.checkout.id, NAME)
        found = docker_client.api().volumes(filters=ours.filters)["Volumes"] or ()
        labelled = {each["Name"]: each.get("Labels") or {} for each in found}
        return [
            Home(labels[docker_client.USER], {"volume": name, "labels": labels})
            for name, labels in sorted(labelled.items())
            if docker_client.USER in labels
        ]

    def take_home(self, ctx: Context, home: Home, into: IO[bytes]) -> None:
        """Write all that is in a home."""
        docker_archive.pack(home.about["volume"], _image(ctx), _labels(ctx), into)

    def put_home(self, ctx: Context, home: Home, source: IO[bytes]) -> None:
        """Make a home unless it is there, and lay what was taken over what is in it."""
        labels = {**home.about["labels"], **_labels(ctx)}
        name = f"habari-{ctx.checkout.id}-{NAME}-home-{home.about['volume'].partition('-home-')[2]}"
        docker_client.ensure_volume(name, labels)
        docker_archive.unpack(name, _image(ctx), _labels(ctx), source)

    def take_database(self, ctx: Context, into: IO[bytes]) -> bool:
        """Write the hub's database, as SQL."""
        docker_archive.output(container(ctx), DUMP, into)
        return True

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put a database in the place of the hub's, which is removed for it: `up` makes it anew."""
        hubs = [
            each
            for each in docker_client.containers(handles.resource_labels(ctx, NAME))
            if each.service == NAME
        ]
        docker_client.remove(hubs)
        docker_archive.feed(container(ctx), LOAD, _emptied(source))


def _emptied(source: IO[bytes]) -> Iterator[bytes]:
    yield EMPTY
    while chunk := source.read(docker_archive.CHUNK):
        yield chunk


def _labels(ctx: Context) -> dict[str, str]:
    return handles.resource_labels(ctx, NAME).labels


def _image(ctx: Context) -> str:
    return image_steps.references(ctx, ["notebook"])["notebook"]
