"""Programs that some tests need: on PATH, or copied out of the image `tools`."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.images import bundled_binaries
from habari_local.images.build import Images

ROOT = Path(__file__).resolve().parents[1]


def with_helm() -> dict[str, str]:
    """An environment in whose PATH helm is; skips where there is none to be had."""
    return with_program("helm")


def with_program(name: str) -> dict[str, str]:
    """An environment in whose PATH a program is; skips where there is none to be had."""
    if shutil.which(name):
        return dict(os.environ)
    folder = _copied()
    if folder is None:
        pytest.skip(f"no {name} on PATH and no image `tools`: habari-local image build tools")
    return {**os.environ, "PATH": f"{os.environ['PATH']}:{folder}"}


@cache
def _copied() -> Path | None:
    if not docker_client.reachable():
        return None
    images = Images(Checkout(ROOT), Settings.model_validate({"images": "packages"}), os.environ)
    reference = images.reference("tools")
    if docker_images.find(reference) is None:
        return None
    bundled_binaries.unpack(images)
    return bundled_binaries.folder(images)
