"""Programs that some tests need: on PATH, or copied out of the image `tools`."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from habari_local.config.settings import Settings
from habari_local.drivers import docker, engine
from habari_local.images.build import Images
from habari_local.paths import Checkout

ROOT = Path(__file__).resolve().parents[1]
IMAGES = os.environ.get("HABARI_IMAGES", "upstream")


def with_helm() -> dict[str, str]:
    """An environment in whose PATH helm is; skips where there is none to be had."""
    if shutil.which("helm"):
        return dict(os.environ)
    folder = _copied("helm")
    if folder is None:
        pytest.skip("no helm on PATH and no image `tools`: habari-local image build tools")
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@cache
def _copied(program: str) -> Path | None:
    if not engine.reachable():
        return None
    images = Images(Checkout(ROOT), Settings.model_validate({"images": IMAGES}), os.environ)
    reference = images.reference("tools")
    if docker.find(reference) is None:
        return None
    folder = Path(mkdtemp(prefix="habari-tools-"))
    made = _docker("create", reference, "none")
    try:
        _docker("cp", f"{made}:/{program}", str(folder / program))
    finally:
        _docker("rm", made)
    return folder


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
