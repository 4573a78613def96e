"""The Docker engine by its SDK: what is ours there, found by label, and what happens to it.

Nothing is remembered: containers, networks and volumes carry `dev.habari.mode` and
`dev.habari.checkout`, so whatever became of the tool, the next call finds them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from habari_local.config.load import environment
from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers.docker import endpoint as docker_endpoint
from habari_local.drivers.docker.endpoint import engine_unreachable, unresponsive_reason

if TYPE_CHECKING:
    import docker

MODE, CHECKOUT, USER = "dev.habari.mode", "dev.habari.checkout", "dev.habari.user"
SERVICE = "com.docker.compose.service"
CONFIG_HASH = "com.docker.compose.config-hash"  # of what Compose made the container from
SECONDS = 60  # for one answer of the engine
DELETION_SECONDS = 600  # for one that comes when the files of a volume, image or node are gone
STOP_SECONDS = 5  # for a container to end by itself
LOOK_SECONDS = 5  # for the one answer that those wait for who may need no Docker
API_VERSION = "1.44"
ON_NETWORK = "already (exists|connected)"  # in Docker's words, and in Podman's
KIND_CLUSTER = "io.x-k8s.kind.cluster"  # kind's own label of a node, with the cluster's name
REMOVAL_SECONDS = 20.0  # that the engine may take for what it has begun
QUIET_SECONDS = 2.0  # without anything of ours, after which nothing is expected to come any more
Signal = Literal["kill", "pause", "unpause"]


@dataclass(frozen=True)
class ResourceLabels:
    """Whose things: those of one mode of one checkout."""

    checkout: str
    mode: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all of it carries."""
        return {MODE: self.mode, CHECKOUT: self.checkout}

    @property
    def filters(self) -> dict[str, list[str]]:
        """The same as the engine's filter."""
        return {"label": [f"{name}={value}" for name, value in self.labels.items()]}


@dataclass(frozen=True)
class Container:
    """A container of ours; `service` is empty for a user's server, `user` for a service."""

    id: str
    name: str
    service: str
    user: str
    state: str  # created, running, restarting, exited …
    health: str  # starting, healthy, unhealthy; empty without a health check
    since: float | None  # seconds since the epoch
    networks: frozenset[str]
    pid: int | None = None  # of its first process, as the engine's machine counts; None: none
    image: str = ""  # by the name that it was created with
    made_from: str = ""  # what Compose knows its configuration by, and the image's id

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.service or (f"server of {self.user}" if self.user else self.name)


@cache
def api(seconds: int = SECONDS) -> docker.APIClient:
    """Return the connection to the engine that Docker's command line works with.

    An answer may take so many seconds.

    Raises:
        HabariError: no engine answers there, with the command that fixes it.
    """
    import docker

    options = docker_endpoint.client_options(environment())
    said = unresponsive_reason(options["base_url"])
    if said:
        raise engine_unreachable(said, options["base_url"])
    try:
        return docker.APIClient(version="auto", timeout=seconds, **options)
    except docker.errors.DockerException as error:
        raise engine_unreachable(str(error), options["base_url"]) from error


def deletion_api() -> docker.APIClient:
    """Return the connection for what deletes files: on a busy disk that takes minutes."""
    return api(DELETION_SECONDS)


@contextmanager
def translate_errors(what: str = "Docker", hint: str = "docker info") -> Iterator[None]:
    """Turn what the SDK raises into a sentence."""
    import docker
    from requests import RequestException

    try:
        yield
    except (docker.errors.DockerException, RequestException) as error:
        said = str(getattr(error, "explanation", "") or error).rstrip(".")
        raise HabariError(f"{what}: {said}.", hint) from error


def reachable() -> bool:
    """Whether an engine answers."""
    try:
        api().ping()
    except Exception:  # noqa: BLE001 (whatever keeps it from answering)
        return False
    return True


def running_modes(checkout: str) -> set[str]:
    """Return the modes of a checkout that run; none where no engine answers in time.

    kind puts no label of ours on a node: it is found by the cluster's name.
    """
    import docker
    import requests

    try:
        options = docker_endpoint.client_options(environment())
        if unresponsive_reason(options["base_url"]):
            return set()
        # The version is neither asked for nor sent: the list is the same in all of them.
        with docker.APIClient(version=API_VERSION, **options) as api:
            ours = _list_containers(api, f"{CHECKOUT}={checkout}")
            nodes = _list_containers(api, f"{KIND_CLUSTER}=habari-{checkout}")
    except (HabariError, docker.errors.DockerException, requests.RequestException, ValueError):
        return set()
    return {*(each["Labels"].get(MODE, "") for each in ours), *(("kind",) if nodes else ())}


def _list_containers(api: docker.APIClient, label: str) -> list[dict[str, Any]]:
    filters = json.dumps({"label": [label]})
    url = f"{api.base_url}/containers/json"
    answer = api.get(url, params={"filters": filters}, timeout=LOOK_SECONDS)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def containers(ours: ResourceLabels) -> list[Container]:
    """Return our containers, running or not, the oldest first."""
    import docker

    found = api().containers(all=True, filters=ours.filters)
    described = []
    for each in sorted(found, key=lambda one: one["Created"]):
        try:
            described.append(_described(api().inspect_container(each["Id"])))
        except docker.errors.NotFound:  # gone since it was listed
            continue
    return described


def _described(inspected: dict[str, Any]) -> Container:
    state, labels = inspected["State"], inspected["Config"]["Labels"] or {}
    running = state["Running"]
    return Container(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        service=labels.get(SERVICE, ""),
        user=labels.get(USER, ""),
        state=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        since=_timestamp(state["StartedAt"]) if running else None,
        networks=frozenset(inspected["NetworkSettings"]["Networks"]),
        pid=state.get("Pid") or None,
        image=inspected["Config"].get("Image", ""),
        made_from=f"{labels.get(CONFIG_HASH, '')} {inspected['Image']}",
    )


def familiar_name(image: str) -> str:
    """Return an image's name without the registry that Podman writes where none was named."""
    return re.sub(r"^(localhost|docker\.io(/library)?)/", "", image)


def _timestamp(text: str) -> float:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00").timestamp()


def killed_for_memory(container: str) -> bool:
    """Whether the machine's kernel killed something in a container for its memory's limit."""
    return bool(api().inspect_container(container)["State"]["OOMKilled"])


def memory(container: str) -> int | None:
    """Return the bytes that a running container takes, page cache left out; None if it's gone."""
    import docker

    try:
        found = api().stats(container, stream=False, one_shot=True)["memory_stats"]
    except docker.errors.APIError:
        return None
    details = found.get("stats", {})
    cached = details.get("total_inactive_file", details.get("inactive_file", 0))
    return int(found["usage"] - cached) if "usage" in found else None


def last_lines(container: str, count: int, since: float | None = None) -> list[str]:
    """Return the last lines of a container's log, none older than `since` (epoch seconds)."""
    import docker

    try:
        text: bytes = api().logs(container, tail=count, since=since)
    except docker.errors.APIError:
        return []
    return text.decode(errors="replace").splitlines()


def follow_log(container: str, count: int, since: float | None = None) -> Iterator[str]:
    """Yield the last lines of a container's log and then each new one, until it ends."""
    rest = b""
    for chunk in api().logs(container, stream=True, follow=True, tail=count, since=since):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")


def container_logs(
    found: Iterable[Container], count: int, since: float | None, *, follow: bool
) -> list[tuple[str, Iterator[str]]]:
    """Return containers' logs by their titles: the last lines, with `follow` each new one too."""

    def read(container: str) -> Iterator[str]:
        ask = follow_log if follow else last_lines
        yield from ask(container, count, since)

    return [(each.title, read(each.id)) for each in found]


def remove(found: Iterable[Container]) -> None:
    """Stop and remove containers, all at once: ask, wait a little, then insist."""
    in_parallel(_remove, [each.id for each in found])


def _remove(container: str) -> None:
    import docker
    import requests

    try:
        # On a machine with too much to do the engine may not answer in time: the removal ends it.
        with suppress(requests.Timeout):
            api().stop(container, timeout=STOP_SECONDS)
        deletion_api().remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:  # going already
            raise


def restart(container: str) -> None:
    """Stop a container and start it again."""
    api().restart(container, timeout=STOP_SECONDS)


def signal_containers(how: Signal, containers: Iterable[str]) -> None:
    """Kill, pause or unpause containers."""
    for each in containers:
        getattr(api(), how)(each)


def networks(ours: ResourceLabels) -> list[dict[str, Any]]:
    """Return our networks, as the engine lists them."""
    found: list[dict[str, Any]] = api().networks(filters=ours.filters)
    return found


def remove_networks(ours: ResourceLabels) -> None:
    """Remove our networks on which nobody is left."""
    import docker

    def remove_one(name: str) -> None:
        try:
            api().remove_network(name)
        except docker.errors.APIError as error:
            in_use = error.status_code == 403 or "is being used" in str(error.explanation)
            if not in_use and error.status_code != 404:  # gone
                raise

    in_parallel(remove_one, [each["Id"] for each in networks(ours)])


def remove_all(
    ours: ResourceLabels, *, but: Collection[str] = (), interrupted: bool = False
) -> None:
    """Remove our containers, but those with these ids, and the networks on which nobody is left.

    A program that was ended midway has asked the engine for things that it is making still: they
    come later, and can't be removed just then. One look and one try are not enough.

    Args:
        ours: whose things.
        but: ids of containers that stay.
        interrupted: whether a program was ended that made some, so that more may come.

    Raises:
        NotReady: the engine has some still after 20 s.
    """
    last = time.monotonic()

    def none_left() -> bool:
        nonlocal last
        if _removed(ours, but):
            last = time.monotonic()
            return False
        return not interrupted or time.monotonic() - last >= QUIET_SECONDS

    polling.wait_until(
        none_left,
        f"Docker: removing what mode {ours.mode} had",
        seconds=REMOVAL_SECONDS,
        hint="habari-local down",
    )


def _removed(ours: ResourceLabels, but: Collection[str]) -> bool:
    """Remove what is there; whether there was anything."""
    there = containers(ours)
    found = [each for each in there if each.id not in but]
    remove(found)
    empty = {each["Name"] for each in networks(ours)}.difference(
        *(each.networks for each in there if each.id in but)
    )
    remove_networks(ours)
    return bool(found or empty)


def connect(network: str, container: str, alias: str) -> None:
    """Connect a container to a network under another name; being there already is fine."""
    import docker

    try:
        api().connect_container_to_network(container, network, aliases=[alias])
    except docker.errors.APIError as error:
        if not re.search(ON_NETWORK, str(error.explanation)):
            raise


def volumes(ours: ResourceLabels) -> list[str]:
    """Return the names of our volumes."""
    return sorted(each["Name"] for each in api().volumes(filters=ours.filters)["Volumes"] or ())


def volumes_by_checkout(mode: str) -> dict[str, list[str]]:
    """Return the names of all volumes of a mode, by the id of their checkout."""
    listed = api().volumes(filters={"label": [f"{MODE}={mode}"]})["Volumes"] or ()
    found: dict[str, list[str]] = {}
    for each in sorted(listed, key=lambda volume: str(volume["Name"])):
        found.setdefault(each["Labels"].get(CHECKOUT, ""), []).append(each["Name"])
    return found


def ensure_volume(name: str, labels: dict[str, str]) -> str:
    """Make a volume unless it is there; return where the engine keeps what is in it."""
    return str(api().create_volume(name, labels=labels)["Mountpoint"])


def remove_volumes(names: Iterable[str]) -> None:
    """Delete volumes and what is in them."""
    in_parallel(lambda name: deletion_api().remove_volume(name, force=True), list(names))


def in_parallel(action: Callable[[str], object], names: list[str]) -> None:
    """Do the same to several things of the engine at once; raise the first error."""
    if names:
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(action, names))
