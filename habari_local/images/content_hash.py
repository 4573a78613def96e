"""Names of images: a tag is the hash of all that goes in, so a changed image has another name."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from habari_local.core.errors import HabariError, pasteable
from habari_local.images.catalogue import Catalogue, Image

DIGITS = 12
RECIPE = "1"  # counted up when build.py passes something else to a build than before


def reference(root: Path, catalogue: Catalogue, name: str, mirror: str) -> str:
    """Return what an image is called: `habari-NAME:HASH`, or the reference that is pulled.

    Args:
        root: the checkout.
        catalogue: of the wanted HABARI_IMAGES.
        name: of the image.
        mirror: the Debian mirror that the base names.

    Raises:
        HabariError: the .dockerignore beside the context says something that isn't understood.
    """
    image = catalogue[name]
    if image.pull:
        return image.pull
    base, *used = (
        reference(root, catalogue, each, mirror) if each in catalogue else each
        for each in (image.base, *(image.uses[key] for key in sorted(image.uses)))
    )
    seen = hashlib.sha256()
    facts = [RECIPE, base, sorted(image.args.items()), image.suite, image.as_of]
    seen.update(json.dumps([*facts, mirror if image.bootstrap else "", *used]).encode())
    for path in inputs(root, image):
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        seen.update(f"{path.relative_to(root)} {mode} {content}\n".encode())
    return f"habari-{name}:{seen.hexdigest()[:DIGITS]}"


def inputs(root: Path, image: Image) -> list[Path]:
    """Return the files that an image is made of: its script, or Dockerfile and context."""
    if image.bootstrap:
        return [root / image.bootstrap]
    context = root / image.context
    found = {root / image.dockerfile}
    for kept in _walk(context, allowed(root, image)):
        found.add(kept)
    return sorted(found)


def allowed(root: Path, image: Image) -> tuple[list[str], list[str]]:
    """Return what the .dockerignore lets in, and the patterns that it leaves out of that.

    Ours are lists of what is allowed (`*`, then `!name`, then `**/pattern`), so what Docker sends
    and what is hashed can't differ: a file that is not listed can't be copied.

    Raises:
        HabariError: another form of line.
    """
    own = root / f"{image.dockerfile}.dockerignore"
    path = own if own.is_file() else root / image.context / ".dockerignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    let_in = [line[1:] for line in lines if line.startswith("!")]
    left_out = [line[3:] for line in lines if line.startswith("**/")]
    if lines[:1] != ["*"] or len(lines) != 1 + len(let_in) + len(left_out):
        shown = path.relative_to(root)
        raise HabariError(
            f"{shown}: not a list of what is allowed: '*', then lines '!NAME' and '**/PATTERN'.",
            pasteable("git", "diff", shown),
        )
    return let_in, left_out


def _walk(context: Path, rules: tuple[list[str], list[str]]) -> Iterator[Path]:
    let_in, left_out = rules
    for name in let_in:
        top = context / name
        for path in [top] if top.is_file() else top.rglob("*"):
            parts = path.relative_to(context).parts
            ignored = any(fnmatch.fnmatch(part, each) for part in parts for each in left_out)
            if path.is_file() and not ignored:
                yield path
