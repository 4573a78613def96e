"""Which modes of a checkout run in Docker, for those who need no Docker: a look that can't hang."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from habari_local.config.load import environment
from habari_local.core.errors import HabariError
from habari_local.drivers.docker import endpoint as docker_endpoint
from habari_local.drivers.docker.client import CHECKOUT, MODE
from habari_local.drivers.docker.endpoint import unresponsive_reason
from habari_local.drivers.kind import CLUSTER

if TYPE_CHECKING:
    import docker

SECONDS = 5  # for one answer of the engine
VERSION = "1.44"


def modes(checkout: str) -> set[str]:
    """Return the modes of which a container runs; none where no engine answers in time.

    kind puts no label of ours on a node: it is found by the cluster's name.
    """
    import docker
    import requests

    try:
        options = docker_endpoint.client_options(environment())
        if unresponsive_reason(options["base_url"]):
            return set()
        # The version is neither asked for nor sent: the list is the same in all of them.
        with docker.APIClient(version=VERSION, **options) as api:
            ours = _containers(api, f"{CHECKOUT}={checkout}")
            nodes = _containers(api, f"{CLUSTER}=habari-{checkout}")
    except (HabariError, docker.errors.DockerException, requests.RequestException, ValueError):
        return set()
    return {*(each["Labels"].get(MODE, "") for each in ours), *(("kind",) if nodes else ())}


def _containers(api: docker.APIClient, label: str) -> list[dict[str, Any]]:
    filters = json.dumps({"label": [label]})
    url = f"{api.base_url}/containers/json"
    answer = api.get(url, params={"filters": filters}, timeout=SECONDS)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found
