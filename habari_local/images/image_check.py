"""The image contract: what the platform needs of a notebook image, seen in a running container."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import images as docker_images
from habari_local.images.build import Images

PROBE, KERNELS = "images/check/probe.py", "images/check/kernels.py"
ANOTHER = "1999:100"  # somebody whose account has another number, of the group users
OURS = "python3"
KERNEL_NEEDS = "boto3, s3fs, pandas; S3 by the folder's key"
START_SECONDS = 10.0
LIMIT_SECONDS = 180  # for the whole probe: a cold disk, a busy machine


@dataclass(frozen=True)
class CheckRow:
    """One requirement of the contract and what the image has."""

    name: str
    good: bool
    found: str
    needed: str


def check(images: Images, reference: str = "", max_size: int = 0) -> list[CheckRow]:
    """Run the image `reference` (default: the settings') and compare it with what is needed.

    Args:
        images: the checkout's.
        reference: of an image that the engine has.
        max_size: in millions of bytes; 0: what the catalogue allows.

    Raises:
        HabariError: the image is not there, or no container of it runs.
    """
    ours = images.reference("notebook")
    reference, ours_alone = reference or ours, reference in ("", ours)
    stored = docker_images.find(reference)
    if stored is None:
        raise HabariError(
            f"Image {reference}: not among the engine's images.",
            "habari-local image build notebook" if ours_alone else f"docker pull {reference}",
        )
    root = images.checkout.root
    script, kernels = ((root / each).read_text(encoding="utf-8") for each in (PROBE, KERNELS))
    seen = _run(reference, [script, kernels])
    seen["another"] = _run(reference, [script, "home"], ANOTHER)["home"]
    limit = max_size or images.catalogue["notebook"].limit_mb
    rows = [*_rows(seen, hub_version(images.checkout)), *_started(seen)]
    return [*rows, _health(stored.healthcheck), _size(stored.size, limit)]


def hub_version(checkout: Checkout) -> str:
    """Return the version of JupyterHub that the hub's lock has."""
    lock = (checkout.root / "hub" / "requirements-docker.txt").read_text(encoding="utf-8")
    found = re.search(r"^jupyterhub==(\S+)", lock, re.MULTILINE)
    if found is None:
        raise HabariError("hub/requirements-docker.txt: no line jupyterhub==….", "nox -s lock")
    return found[1]


def _run(reference: str, script: Sequence[str], user: str = "") -> dict[str, Any]:
    """Run the probe through the image's own entrypoint; return what it found."""
    finished = docker_images.run_once(
        reference,
        ["python3", "-c", *script],
        labels={docker_images.LABEL: "check"},
        seconds=LIMIT_SECONDS,
        user=user,
    )
    try:
        found: dict[str, Any] = json.loads(finished.output.splitlines()[-1])
    except (ValueError, IndexError):
        raise HabariError(
            f"Image {reference}: images/check/probe.py ended in it with exit code {finished.code}"
            " and no report.",
            f"docker run --rm -it {reference} python3 --version",
            details=finished.output.splitlines()[-20:],
        ) from None
    return found


def _rows(seen: dict[str, Any], hub: str) -> list[CheckRow]:
    minor = ".".join(hub.split(".")[:2])
    started = seen["start_seconds"]
    expectations: list[tuple[str, str, Callable[[str], bool], str]] = [
        ("jupyterhub-singleuser", seen["singleuser"], bool, "on PATH"),
        (
            "JupyterHub",
            seen["jupyterhub"],
            lambda found: found.split(".")[:2] == minor.split("."),
            f"{minor}, the hub's",
        ),
        ("user", str(seen["uid"]), lambda found: found == "1000", "uid 1000"),
        ("home", seen["home"], lambda found: found == "/home/jovyan", "/home/jovyan, writable"),
        (
            "home of another account",
            seen["another"],
            lambda found: found == "/home/jovyan",
            f"/home/jovyan, writable for {ANOTHER}",
        ),
        ("contents manager", seen["contents"], lambda found: not found, "habari_contents loads"),
        (
            "start",
            f"{started:.1f} s" if started is not None else seen["log"],
            lambda _: started is not None and started <= START_SECONDS,
            f"an answer within {START_SECONDS:.0f} s",
        ),
        (
            "S3 settings",
            seen["s3"],
            lambda found: found == "honoured",
            "AWS_* and HABARI_CONTENTS_FOLDERS honoured",
        ),
    ]
    return [
        CheckRow(name, fits(found), found or ("loads" if fits(found) else "not there"), needed)
        for name, found, fits, needed in expectations
    ]


def _started(seen: dict[str, Any]) -> list[CheckRow]:
    """Return what is needed of what a user sees: kernels, JupyterLab, and nobody asked outside."""
    kernels: dict[str, str] = seen["kernels"]
    ours = kernels.get(OURS, "not offered" if kernels else "no server")
    failed = [f"{name}: {said}" for name, said in kernels.items() if said and name != OURS]
    alone, asked, blind = seen["alone"], seen["asked"], seen["blind"]
    up = seen["start_seconds"] is not None
    shown = ", ".join(kernels) or "no server"
    return [
        CheckRow(
            f"kernel {OURS}", not ours, ours or "imports them, lists the bucket", KERNEL_NEEDS
        ),
        CheckRow("kernels", up and not failed, "; ".join(failed) or shown, "each starts"),
        CheckRow(
            "JupyterLab extensions",
            up and not alone,
            f"without a server half: {', '.join(alone)}"
            if alone
            else ", ".join(seen["extensions"]) or ("none" if up else "no server"),
            "none without its server half",
        ),
        CheckRow(
            "Jupyter news", seen["news"] == "not asked about", seen["news"], "not asked about"
        ),
        CheckRow(
            "names looked up",
            up and not asked,
            ", ".join(asked) or blind or ("none" if up else "no server"),
            "none: a start contacts nothing outside",
        ),
    ]


def _health(healthcheck: bool) -> CheckRow:
    found = "inherited or its own" if healthcheck else "none"
    return CheckRow(
        "health check", not healthcheck, found, "none: each mode asks the server itself"
    )


def _size(size: int, limit: int) -> CheckRow:
    return CheckRow("size", size <= limit * 1e6, f"{size / 1e6:.0f} MB", f"{limit} MB or less")
