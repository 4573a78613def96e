"""What is in containers and volumes of the Docker engine, as streams of bytes, in and out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from habari_local.core.errors import CommandFailed
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors

CHUNK = 1 << 16  # bytes
MOUNT = "/carried"


def pack(volume: str, image: str, labels: Mapping[str, str], into: IO[bytes]) -> None:
    """Write all that is in a volume as tar; no program is run."""
    with translate_errors(f"Volume {volume}"), _volume_container(volume, image, labels) as holder:
        for chunk in docker_client.api().get_archive(holder, MOUNT)[0]:
            into.write(chunk)


def unpack(volume: str, image: str, labels: Mapping[str, str], source: IO[bytes]) -> None:
    """Lay what `pack` wrote over a volume, owners and all."""
    with translate_errors(f"Volume {volume}"), _volume_container(volume, image, labels) as holder:
        docker_client.api().put_archive(holder, "/", _chunks(source))


@contextmanager
def _volume_container(volume: str, image: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Give a container that mounts the volume, and is never started."""
    host = docker_client.api().create_host_config(binds={volume: {"bind": MOUNT, "mode": "rw"}})
    made = docker_client.api().create_container(
        image, ["none"], labels=dict(labels), host_config=host, network_disabled=True
    )
    try:
        yield made["Id"]
    finally:
        docker_client.deletion_api().remove_container(made["Id"], force=True)


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def output(container: str, argv: Sequence[str], into: IO[bytes]) -> None:
    """Run a program in a container; what it prints goes to `into`.

    Raises:
        CommandFailed: it ended with another code than 0.
    """
    said = bytearray()
    with translate_errors(f"Container {container[:12]}"):
        made = docker_client.api().exec_create(container, list(argv))["Id"]
        for out, errors in docker_client.api().exec_start(made, stream=True, demux=True):
            into.write(out or b"")
            said += errors or b""
        _require_success(made, argv, bytes(said))


def feed(container: str, argv: Sequence[str], source: Iterator[bytes]) -> None:
    """Run a program in a container with `source` as its standard input.

    Raises:
        CommandFailed: it ended with another code than 0.
    """
    import socket

    with translate_errors(f"Container {container[:12]}"):
        made = docker_client.api().exec_create(container, list(argv), stdin=True)["Id"]
        opened: Any = docker_client.api().exec_start(made, socket=True)
        line = getattr(opened, "_sock", opened)  # what the SDK wraps, which alone can be half shut
        said = bytearray()
        try:
            with suppress(BrokenPipeError):  # it ended before its input: its code tells
                for chunk in source:
                    line.sendall(chunk)
                line.shutdown(socket.SHUT_WR)
            while chunk := line.recv(CHUNK):
                said += chunk
        finally:
            opened.close()
            line.close()  # which closing the wrapper leaves open
        _require_success(made, argv, bytes(said))


def _require_success(made: str, argv: Sequence[str], said: bytes) -> None:
    code = docker_client.api().exec_inspect(made)["ExitCode"]
    if code:
        raise CommandFailed(["docker", "exec", *argv], code, said.decode(errors="replace"))
