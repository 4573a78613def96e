"""The notebook image on a base like Jupyter's docker-stacks.

The base is made from packages by the Dockerfile beside this file, the notebook image on it by
jupyter/Dockerfile, as for any other base. Run as a program it builds both and prints the image's
name: `export HABARI_NOTEBOOK_IMAGE=$(python -m tests.images.upstream_like)`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.images.build import Images
from habari_local.images.catalogue import Catalogue, Image, load

ROOT = Path(__file__).resolve().parents[3]
BASE = "upstream-like"
FOLDER = "tests/images/upstream_like"
LIMIT_MB = 1500  # the base's own JupyterLab and kernels are in it


@dataclass(frozen=True)
class UpstreamLike(Images):
    """The catalogue of `HABARI_IMAGES=packages`, with the notebook image on that base."""

    @cached_property
    def catalogue(self) -> Catalogue:
        images = load("packages")
        about = "what Jupyter's docker-stacks are like"
        images[BASE] = Image(
            BASE, about, dockerfile=f"{FOLDER}/Dockerfile", context=FOLDER, base="base"
        )
        images["notebook"] = replace(images["notebook"], base=BASE, limit_mb=LIMIT_MB)
        return images


def built() -> UpstreamLike:
    """Return the images; base and notebook are there."""
    images = UpstreamLike(Checkout(ROOT), Settings(images="packages"), dict(os.environ))
    for task in images.tasks(["notebook"]):
        task.perform(lambda _: None, None)
    return images
