"""Docker volumes of services: what is in one belongs to the account that the service runs as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from habari_local.core.errors import HabariError
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import translate_errors
from habari_local.drivers.docker.images import Finished

MOUNT = "/volume"
SECONDS = 120  # for thousands of files on a cold disk
CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
# Prints how many files had another owner. `find` and `chown` as Alpine and Debian have them.
CHOWN = """
count=$(find "$1" -mindepth 1 ! -user "$2" | wc -l)
if [ -n "$(find "$1" ! -user "$2" | head -n 1)" ]; then chown -R "$2:$3" "$1" || exit; fi
echo "$count"
"""


@dataclass(frozen=True)
class Owner:
    """The account that a service runs as, by its numbers."""

    user: int
    group: int


def keep_cache(volume: str, labels: Mapping[str, str], reference: str, owner: Owner) -> str:
    """Make sure that `owner` can use a volume whose content can be made again.

    A volume outlives the image that filled it, and another image may have run as another account.

    Args:
        volume: its name; made when absent.
        labels: of one that is made.
        reference: any image of the engine with a shell.
        owner: whose all that is in it has to be.

    Returns:
        What was done that a person should know, or nothing.

    Raises:
        HabariError: it can't be used, and can't be recreated since a container has it.
    """
    docker_client.ensure_volume(volume, dict(labels))
    found = _chown(volume, reference, owner)
    if found.code == 0:
        count = int(found.output.split()[-1])
        return f"{count} files in {volume} now belong to UID {owner.user}" if count else ""
    with translate_errors(f"Volume {volume}", f"docker ps --filter volume={volume}"):
        docker_client.deletion_api().remove_volume(volume)
    docker_client.ensure_volume(volume, dict(labels))
    again = _chown(volume, reference, owner)
    if again.code:
        raise HabariError(
            f"Volume {volume}: UID {owner.user} can't be given what is in it.",
            f"docker volume rm {volume}",
            details=again.output.splitlines()[-5:],
        )
    return f"recreated the cache {volume}, which UID {owner.user} could not use"


def _chown(volume: str, reference: str, owner: Owner) -> Finished:
    numbers = [str(owner.user), str(owner.group)]
    with translate_errors(f"Volume {volume}"):
        host: Any = docker_client.api().create_host_config(
            binds={volume: {"bind": MOUNT, "mode": "rw"}}, cap_drop=["ALL"], cap_add=CAPABILITIES
        )
        made = docker_client.api().create_container(
            reference,
            entrypoint=["sh", "-c", CHOWN, "sh", MOUNT, *numbers],
            user="0:0",
            host_config=host,
            network_disabled=True,
            use_config_proxy=False,
        )
        try:
            docker_client.api().start(made["Id"])
            code = docker_client.api().wait(made["Id"], timeout=SECONDS)["StatusCode"]
            return Finished(code, docker_client.api().logs(made["Id"]).decode(errors="replace"))
        finally:
            docker_client.deletion_api().remove_container(made["Id"], force=True)
