"""The images that a verb is about: names as an argument, and the checkout's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import flags

if TYPE_CHECKING:
    from habari_local.images.build import Images

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="As `image list` shows them; default: all."),
]


def images_from_settings(sets: list[str] | None) -> Images:
    """Return the images of this checkout as settings and flags have them.

    Raises:
        MissingTool: no Docker here.
    """
    from habari_local.config.load import environment, load
    from habari_local.core.paths import find_checkout
    from habari_local.drivers.docker import images as docker_images
    from habari_local.images.build import Images

    checkout, env = find_checkout(), environment()
    settings = load(checkout.root, flags(sets)).settings
    docker_images.program(env)
    return Images(checkout, settings, env)
