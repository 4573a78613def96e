"""What is recorded of upstream's images is about those that are pulled."""

from __future__ import annotations

import tomllib
from pathlib import Path

from habari_local.images.catalogue import load

ROOT = Path(__file__).resolve().parents[2]
RECORDED = tomllib.loads((ROOT / "images" / "upstream.toml").read_text(encoding="utf-8"))


def test_every_upstream_reference_is_recorded_and_no_other() -> None:
    images = load("upstream")
    foreign = {
        image.name: image.pull or image.base
        for image in images.values()
        if image.pull or (image.base and image.base not in images)
    }
    recorded = {name: each["reference"] for name, each in RECORDED.items()}
    assert {n: r for n, r in recorded.items() if not n.startswith("chart-")} == foreign
