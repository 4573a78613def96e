"""Images between Docker's engine and registries: what is there, pulled, pushed, with its digest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from habari_local.drivers import engine
from habari_local.drivers.docker import WITHOUT, told
from habari_local.errors import Cancelled

PLAIN_TO_TLS = "HTTP request to an HTTPS server"


def pull(reference: str, say: Callable[[str], None], cancel: threading.Event | None) -> None:
    """Fetch an image from its registry.

    Raises:
        HabariError: the registry has no such image, refuses, or is out of reach.
    """
    with told(f"Image {reference}", WITHOUT):
        _follow(engine.api().pull(reference, stream=True, decode=True), say, cancel)


def digest_there(target: str) -> str:
    """Return the digest that a registry has under a name and tag, "" where it has none.

    Credentials are those of `docker login` and of Docker's credential helpers.

    Raises:
        HabariError: the registry refuses, or is out of reach.
    """
    import docker

    with told(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        try:
            found = engine.api().inspect_distribution(target)  # type: ignore[no-untyped-call]
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
    with told(f"Image {target}", f"docker login {target.partition('/')[0]}"):
        engine.api().tag(reference, repository, tag)
        try:
            events = engine.api().push(repository, tag, stream=True, decode=True)
            _follow(_noting(events, digests), say, None)
        finally:
            engine.api().remove_image(target, noprune=True)
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
        say(" ".join(str(event.get(key, "")) for key in ("status", "progress")).strip())
