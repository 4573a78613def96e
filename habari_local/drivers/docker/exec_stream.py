"""A program run in a container, its input and output read whole.

The engine answers with 101 and goes on with the output on the same connection. What of it comes
with the head of the answer, as on a busy machine, is in the buffer through which that was read; the
SDK (docker 7.1, `APIClient._get_raw_response_socket`) reads on from the socket beneath, so that it
is lost: here the buffer is read. Frames: https://docs.docker.com/reference/api/engine/version/v1.43/
under "Attach to a container".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from habari_local.core.errors import CommandFailed
from habari_local.core.polling import wait_until
from habari_local.drivers.docker import client as docker_client

HEAD = struct.Struct(">BxxxL")
STDERR = 2
CHUNK = 1 << 16  # bytes
END_SECONDS = 10  # between the end of a program's output and its own


@dataclass(frozen=True)
class ExecStream:
    """A program that runs: `line` is the socket to its input, `reader` has its output."""

    id: str
    argv: Sequence[str]
    line: Any
    reader: Any

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield its output as it comes, each piece with the stream that it was written to.

        Raises:
            CommandFailed: the connection ended within a piece.
        """
        while head := self._read(self.reader.read, HEAD.size):
            if len(head) < HEAD.size:
                raise self._cut_off()
            stream, left = HEAD.unpack(head)
            while left:
                chunk = self._read(self.reader.read1, min(left, CHUNK))
                if not chunk:
                    raise self._cut_off()
                left -= len(chunk)
                yield stream, chunk

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        """Read; nothing at the end, which is a reset where the program left input unread."""
        try:
            return read(size)
        except ConnectionResetError:
            return b""

    def _cut_off(self) -> CommandFailed:
        return CommandFailed(["docker", "exec", *self.argv], -1, "its output was cut off")

    def require_success(self, said: bytes) -> str:
        """Return what it said, after its end.

        Raises:
            CommandFailed: it ended with another code than 0.
            NotReady: it goes on without its output.
        """
        text = said.decode(errors="replace")
        code = self._exit_code()
        if code:
            raise CommandFailed(["docker", "exec", *self.argv], code, text)
        return text

    def _exit_code(self) -> int:
        """Wait for its exit code, which the engine may know only after the output's end."""
        code: int | None = None

        def has_ended() -> bool:
            nonlocal code
            code = docker_client.api().exec_inspect(self.id)["ExitCode"]
            return code is not None

        program = f"{self.argv[0]} in a container, whose output has ended,"
        wait_until(has_ended, program, seconds=END_SECONDS)
        return code or 0


@contextmanager
def run(container: str, argv: Sequence[str], *, stdin: bool = False) -> Iterator[ExecStream]:
    """Start a program in a container; after the block its connection is closed."""
    made = docker_client.api().exec_create(container, list(argv), stdin=stdin)["Id"]
    opened: Any = docker_client.api().exec_start(made, socket=True)
    response = opened._response
    line = getattr(opened, "_sock", opened)  # what the SDK wraps, which alone can be half shut
    line.settimeout(None)  # a program may be silent for long
    try:
        yield ExecStream(made, argv, line, response.raw._fp.fp)
    finally:
        response.close()
        opened.close()
        line.close()  # which closing the wrapper leaves open
