"""Images between Docker's engine and registries: what is there, pulled, pushed, with its digest."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from habari_local.core.errors import Cancelled, HabariError
from habari_local.drivers import registry
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors
from habari_local.drivers.docker.images import WITHOUT

SILENT_SECONDS = 0.3  # after which we ask a registry of which Docker says nothing
REFUSAL_SECONDS = 4.5  # after which its refusal is raised, though Docker still waits

PLAIN_TO_TLS = "HTTP request to an HTTPS server"


def pull(
    reference: str,
    say: Callable[[str], None],
    cancel: threading.Event | None,
    ca: Path | None = None,
) -> None:
    """Fetch an image from its registry; `ca` is the file of certificates that we trust.

    Docker waits a minute for a registry that takes a connection and is silent, and leaves out what
    one says with a refusal: then we ask it ourselves.

    Raises:
        HabariError: the registry has no such image, refuses, or is out of reach; within 5 s.
        Cancelled: `cancel` was set.
    """
    events: queue.SimpleQueue[dict[str, Any] | Exception | None] = queue.SimpleQueue()
    threading.Thread(target=_pulled, args=(reference, events), daemon=True).start()
    silent = registry.Inquiry(reference, ca)
    began = time.monotonic()
    heard = False
    while True:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        try:
            event = events.get(timeout=0.1)
        except queue.Empty:
            waited = time.monotonic() - began
            if not heard and waited > SILENT_SECONDS and _direct(reference):
                silent.begin()
                if silent.refusal and waited > REFUSAL_SECONDS:
                    raise silent.refusal from None
            continue
        heard = True
        if event is None:
            return
        if isinstance(event, Exception) or "error" in event:
            raise _failed(reference, event, silent) from None
        say(_progress(event))


def _pulled(reference: str, events: queue.SimpleQueue[dict[str, Any] | Exception | None]) -> None:
    try:
        for event in docker_client.api().pull(reference, stream=True, decode=True):
            events.put(event)
        events.put(None)
    except Exception as error:  # noqa: BLE001 (raised by who waits)
        events.put(error)


def _direct(reference: str) -> bool:
    """Whether the engine asks as we do: neither through a proxy nor through mirrors of its own."""
    with translate_errors():
        info = docker_client.api().info()
    mirrors = (info.get("RegistryConfig") or {}).get("Mirrors")
    hub = registry.parse(reference).registry == registry.HUB
    return not (info.get("HttpsProxy") or info.get("HttpProxy") or (hub and mirrors))


def _failed(
    reference: str, event: dict[str, Any] | Exception, asked: registry.Inquiry
) -> HabariError:
    """Return why a pull failed: in the registry's words, where it has some, else in Docker's."""
    if isinstance(event, HabariError):
        return event
    asked.begin()
    asked.wait()
    if asked.refusal and asked.answered:
        return asked.refusal
    said = str(getattr(event, "explanation", "") or event)
    said = said if isinstance(event, Exception) else str(event["error"])
    return HabariError(f"Image {reference}: {said.rstrip('.')}.", WITHOUT)


def digest_there(target: str) -> str:
    """Return the digest that a registry has under a name and tag, "" where it has none.

    Credentials are those of `docker login` and of Docker's credential helpers.

    Raises:
        HabariError: the registry refuses, or is out of reach.
    """
    import docker

    with translate_errors(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        try:
            found = docker_client.api().inspect_distribution(target)  # type: ignore[no-untyped-call]
        except docker.errors.NotFound:
            return ""
        except docker.errors.APIError as error:
            # On a loopback address the engine asks by https and, whatever comes back, by http too:
            # the answer that counts is hidden. A push tells it.
            if PLAIN_TO_TLS in str(error.explanation):
                return ""
            raise
        return str(found["Descriptor"]["digest"])


def push(reference: str, target: str, say: Callable[[str], None]) -> str:
    """Send the image `reference` to a registry under the name `target`; return its digest there.

    Raises:
        HabariError: the registry refuses, or is out of reach.
    """
    digests: list[str] = []
    repository, _, tag = target.rpartition(":")
    with translate_errors(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        docker_client.api().tag(reference, repository, tag)
        try:
            events = docker_client.api().push(repository, tag, stream=True, decode=True)
            _follow(_noting(events, digests), say, None)
        finally:
            docker_client.deletion_api().remove_image(target, noprune=True)
    return digests[-1] if digests else digest_there(target)


def _noting(events: Iterator[dict[str, Any]], digests: list[str]) -> Iterator[dict[str, Any]]:
    for event in events:
        if "Digest" in event.get("aux", {}):
            digests.append(event["aux"]["Digest"])
        yield event


def _follow(
    events: Iterator[dict[str, Any]],
    say: Callable[[str], None],
    cancel: threading.Event | None,
) -> None:
    import docker

    for event in events:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if "error" in event:
            raise docker.errors.DockerException(str(event["error"]))
        say(_progress(event))


def _progress(event: dict[str, Any]) -> str:
    return " ".join(str(event.get(key, "")) for key in ("status", "progress")).strip()
