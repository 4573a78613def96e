"""A program in a pod, with a stream of bytes into it or out of it, as `kubectl exec` has them.

Protocol: Kubernetes' remote commands over a WebSocket, v4.channel.k8s.io. The client's own reading
collects all that comes before it hands any of it out, so its socket is read here, frame by frame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.tar_stream import Sink

STDOUT, STDERR, ENDED = 1, 2, 3  # the channels that speak to us
TEXT, BINARY, CLOSED = 1, 2, 8  # kinds of frames (RFC 6455, 11.8)
CHUNK = 1 << 16  # bytes
SECONDS = 600  # of silence, after which nobody is there any more


@dataclass(frozen=True)
class Pod:
    """Where a program runs: a container of a pod that does."""

    cluster: Cluster
    namespace: str
    name: str
    container: str


def execute(
    pod: Pod,
    argv: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    into: Sink | None = None,
) -> str:
    """Run a program to its end, with `source` as its standard input; its output goes to `into`.

    A program must know by itself where its input ends: the protocol has no word for that.

    Returns:
        What it wrote to standard error.

    Raises:
        CommandFailed: it ended with another code than 0; with what it wrote to standard error.
        HabariError: the connection ended before it.
    """
    from websocket import WebSocketException

    said = bytearray()
    try:
        socket = _opened(pod, argv, source is not None)
        try:
            while chunk := source.read(CHUNK) if source else b"":
                socket.send(b"\0" + chunk, opcode=BINARY)
            status = _ended(socket, said, into)
        finally:
            socket.close()
    except (WebSocketException, OSError) as error:
        raise _cut_off(pod, argv, type(error).__name__) from error
    if not status:
        raise _cut_off(pod, argv, "the connection was closed")
    if status.get("status") != "Success":
        causes = (status.get("details") or {}).get("causes") or ()
        codes = [int(each["message"]) for each in causes if each.get("reason") == "ExitCode"]
        text = said.decode(errors="replace") or str(status.get("message", ""))
        words = ["kubectl", "exec", pod.name, "--", argv[0], "…"]
        raise CommandFailed(words, codes[0] if codes else 1, text)
    return said.decode(errors="replace")


def _cut_off(pod: Pod, argv: Sequence[str], seen: str) -> HabariError:
    return HabariError(
        f"Pod {pod.name}: {seen} before {argv[0]} ended.",
        "habari-local status",
    )


def _opened(pod: Pod, argv: Sequence[str], has_input: bool) -> Any:
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream

    # Of its own: while a stream is opened, no other call may use the same client.
    api = Cluster(pod.cluster.kubeconfig, pod.cluster.context).api
    try:
        opened: Any = stream(
            api.connect_get_namespaced_pod_exec,
            pod.name,
            pod.namespace,
            container=pod.container,
            command=list(argv),
            stdin=has_input,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
            binary=True,
        )
    except ApiException as error:
        raise HabariError(
            f"Pod {pod.name}: {error.reason or error.status}, so no program can be run in it.",
            "habari-local status",
        ) from error
    opened.sock.settimeout(SECONDS)
    return opened.sock


def _ended(socket: Any, said: bytearray, into: Sink | None) -> dict[str, Any]:
    """Read until the program ends; return Kubernetes' word for how, nothing if there is none."""
    while True:
        opcode, frame = socket.recv_data_frame(True)
        data: bytes = frame.data
        if opcode == CLOSED:
            return {}
        if opcode not in (TEXT, BINARY) or not data:
            continue
        if data[0] == STDOUT and into is not None:
            into.write(data[1:])
        elif data[0] == STDERR:
            said += data[1:]
        elif data[0] == ENDED and len(data) > 1:
            found: dict[str, Any] = json.loads(data[1:])
            return found
