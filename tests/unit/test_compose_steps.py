"""Waiting for a container: by its events, and by one look where no event can tell any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.client import Container, ResourceLabels
from habari_local.platform.compose import steps
from habari_local.platform.compose.platform import ComposePlatform
from habari_local.platform.mode import UNCHANGED, Context

PROXY = Container("c1", "habari-proxy", "proxy", "", "running", "starting", 1.0, frozenset())


def test_what_became_healthy_before_it_was_followed_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that was restarted is healthy between the look and the first event."""
    looks = [[PROXY], [replace(PROXY, health="healthy")]]
    monkeypatch.setattr(docker_client, "containers", lambda _: looks.pop(0))

    class Nothing:
        def __init__(self, _ours: ResourceLabels) -> None: ...
        def healthy(self, _service: str) -> bool:
            return False

        def failure(self, _service: str) -> str | None:
            return None

    monkeypatch.setattr(steps, "ContainerEvents", Nothing)
    ctx = Context(Checkout(tmp_path), Settings(), Secrets(), {})
    bringup = steps.Bringup(ComposePlatform(ctx, "hub"))
    bringup.begin()
    bringup.same = {"proxy"}
    monkeypatch.setattr(steps, "START_SECONDS", 1)
    step = steps.service(bringup, "proxy", "proxy", "")
    assert step.action(ctx, lambda _: None) == UNCHANGED
    assert not looks
