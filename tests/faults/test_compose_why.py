"""`why` in mode hub: a container that hangs is named, and not what seems broken because of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import client as docker_client
from habari_local.images.build import Images
from habari_local.modes.hub.mode import MODE
from habari_local.platform.mode import Context
from tests.e2e.waiting import until
from tests.faults.parts import Platform
from tests.runnable_modes import IMAGES
from tests.scratch import ROOT, Scratch, must_be_able_to_run
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def platform(platform_of: Callable[[str], Platform]) -> Scratch:
    return platform_of("hub").scratch


@pytest.mark.parametrize(
    ("service", "check"),
    [("proxy", "proxy"), ("hub", "hub"), ("db", "db"), ("s3", "s3"), ("github", "sign-in")],
)
def test_a_paused_container_is_named(platform: Scratch, service: str, check: str) -> None:
    container = next(each for each in platform.containers("hub") if each.service == service)
    docker_client.api().pause(container.id)
    try:
        told = platform.call("why", "--json")
    finally:
        docker_client.api().unpause(container.id)
        until("healthy again", lambda: platform.call("status").returncode == 0, 60)
    assert told.returncode == 4
    assert json.loads(told.stdout)["broken"] == check


@pytest.mark.row(27)
@pytest.mark.mode("hub")
def test_a_process_that_was_killed_for_memory_is_named_with_the_limit(scratch: Scratch) -> None:
    """By the machine's kernel, in a container that goes on; its labels make it a user's server."""
    must_be_able_to_run("hub")
    settings = Settings.model_validate({"images": IMAGES, "server_memory": "64M"})
    image = Images(Checkout(ROOT), settings, dict(os.environ)).reference("hub")
    ours = {
        **docker_client.ResourceLabels(scratch.id, "hub").labels,
        docker_client.USER: "linus",
    }
    labels = [f"--label={name}={text}" for name, text in ours.items()]
    limit = (f"--memory={settings.server_memory}", "--network=none", "--entrypoint=sleep")
    made = subprocess.run(
        ["docker", "run", "--detach", *limit, *labels, image, "300"],
        check=True,
        capture_output=True,
        text=True,
    )
    ctx = Context(Checkout(scratch.root), settings, Secrets(), {})
    assert MODE.killed_for_memory(ctx, "linus") == ""
    greedy = ("python3", "-c", "len(b'x' * (1 << 30))")
    ended = subprocess.run(["docker", "exec", made.stdout.strip(), *greedy], check=False)
    assert ended.returncode == 137
    wait_for(lambda: MODE.killed_for_memory(ctx, "linus"))
    told = MODE.killed_for_memory(ctx, "linus")
    assert "linus's server, such as a kernel, was killed for memory" in told
    assert "its limit of 64M" in told
    assert MODE.killed_for_memory(ctx, "grace") == "", "whose server does not run"
