"""Which modes this machine can run: what each needs is there, its images too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from habari_local import modes
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.diagnosis.requirements import described
from habari_local.helm_values.chart import pinned_archive
from habari_local.platform.mode import RemoteMode

ROOT = Path(__file__).resolve().parents[1]
IMAGES = os.environ.get("HABARI_IMAGES", "upstream")
# A chart of the test's own choice, found from whatever folder a test works in.
CHART = os.environ.get("HABARI_CHART", "") and str(Path(os.environ["HABARI_CHART"]).resolve())
BUILD = "habari-local image build"


def here() -> tuple[str, ...]:
    """Return the modes that run on this machine: without those in a cluster that is named."""
    return tuple(name for name in modes.names() if not isinstance(modes.get(name), RemoteMode))


def missing(mode: str) -> str | None:
    """Return why the mode can't run here and the command that fixes it; None if it can."""
    for each in modes.get(mode).requirements():
        finding = each.check(os.environ)
        if not each.optional and not finding.good:
            fix = finding.fix or each.fix(os.environ)
            return f"{each.name}: {described(finding)}, {each.needed} needed. Try: {fix}"
    if not _has_images(mode):
        return f"images of mode {mode}: not all there. Try: HABARI_IMAGES={IMAGES} {BUILD}"
    if mode == "kind" and not CHART and not pinned_archive(os.environ).is_file():
        return "chart: not on this machine. Try: HABARI_CHART=tests/fixtures/chart, a double of it"
    return None


def chosen(arguments: list[str], told: Callable[[str], object]) -> list[str]:
    """Take `--mode MODE|all` out of the arguments; without it, each that this machine can run.

    `told` hears why one can't run here.
    """
    wanted = ""
    if "--mode" in arguments:
        place = arguments.index("--mode")
        wanted = arguments[place + 1]
        del arguments[place : place + 2]
    if wanted not in ("", "all"):
        return [wanted]
    able = []
    for mode in modes.names():
        reason = missing(mode) if wanted == "" else None
        if reason:
            told(f"Mode {mode} can't run here: {reason}")
        else:
            able.append(mode)
    return able


def _has_images(mode: str) -> bool:
    from habari_local.drivers.docker import images as docker_images
    from habari_local.images.build import Images

    images = Images(Checkout(ROOT), Settings.model_validate({"images": IMAGES}), os.environ)
    wanted = [image.name for image in images.catalogue.values() if mode in image.modes]
    return all(docker_images.find(images.reference(name)) is not None for name in wanted)
