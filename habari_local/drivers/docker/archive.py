"""What is in containers and volumes of the Docker engine, as streams of bytes, in and out.

A volume is mounted by a container of ours (tar_container.py), with no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from habari_local.core.errors import CommandFailed
from habari_local.drivers import tar_container
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import exec_stream
from habari_local.drivers.docker.client import translate_errors
from habari_local.drivers.tar_stream import Report, Sink, read_report


def pack(volume: str, image: str, labels: Mapping[str, str], into: Sink) -> Report:
    """Write all that can be read in a volume as tar."""
    with _volume_container(volume, image, labels) as holder:
        return read_report(output(holder, tar_container.command("pack", {}), into))


def unpack(
    volume: str, image: str, labels: Mapping[str, str], source: IO[bytes], **options: Any
) -> Report:
    """Put what `pack` wrote in the place of what is in a volume; `options`: tar_stream.unpack's."""
    argv = tar_container.command("unpack", options)
    with _volume_container(volume, image, labels) as holder:
        return read_report(feed(holder, argv, chunks(source)))


@contextmanager
def _volume_container(volume: str, image: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Give a container that mounts the volume, in which programs can be run.

    Raises:
        HabariError: it can't be had, or what was run in it failed, in its own words.
    """
    host: Any = docker_client.api().create_host_config(
        binds={volume: {"bind": tar_container.MOUNT, "mode": "rw"}},
        cap_drop=["ALL"],
        cap_add=tar_container.CAPABILITIES,
        security_opt=["no-new-privileges"],
    )
    with translate_errors(f"Volume {volume}"):
        made = docker_client.api().create_container(
            image,
            entrypoint=tar_container.IDLE,
            user="0:0",
            environment=tar_container.environment(),
            labels=dict(labels),
            host_config=host,
            network_disabled=True,
            use_config_proxy=False,
        )
    try:
        with translate_errors(f"Volume {volume}"):
            docker_client.api().start(made["Id"])
            yield made["Id"]
    except CommandFailed as error:
        raise tar_container.explained(f"Volume {volume}", error) from error
    finally:
        docker_client.deletion_api().remove_container(made["Id"], force=True)


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    """Read a file piece by piece, as `feed` takes it."""
    while chunk := source.read(exec_stream.CHUNK):
        yield chunk


def output(container: str, argv: Sequence[str], into: Sink) -> str:
    """Run a program in a container; what it prints goes to `into`, its errors are returned.

    Raises:
        CommandFailed: it ended with another code than 0.
    """
    said = bytearray()
    with (
        translate_errors(f"Container {container[:12]}"),
        exec_stream.run(container, argv) as program,
    ):
        for stream, chunk in program.frames():
            if stream == exec_stream.STDERR:
                said += chunk
            else:
                into.write(chunk)
        return program.require_success(bytes(said))


def feed(container: str, argv: Sequence[str], source: Iterator[bytes]) -> str:
    """Run a program in a container with `source` as its standard input; return what it says.

    Raises:
        CommandFailed: it ended with another code than 0.
    """
    import socket

    said = bytearray()
    with (
        translate_errors(f"Container {container[:12]}"),
        exec_stream.run(container, argv, stdin=True) as program,
    ):
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended before: its code tells
            for chunk in source:
                program.line.sendall(chunk)
            program.line.shutdown(socket.SHUT_WR)
        for _, chunk in program.frames():
            said += chunk
        return program.require_success(bytes(said))
