"""Documents whose whole content follows from their name and version, so that any of it is known."""

from __future__ import annotations

import json
import random
from typing import Any

SMALL, LARGE = 6_000, 1_500_000  # bytes of random content, about; a notebook with a picture or two
EVERY = 10  # one document in so many is large
LINE = 60  # bytes, as hex digits twice as many characters


def text_of(name: str, version: int) -> str:
    """Return the text of one version: its name and version first, then noise made from them."""
    noise = random.Random(f"{name} {version}")  # noqa: S311 (no secret: it must come out the same)
    size = LARGE if noise.randrange(EVERY) == 0 else SMALL
    lines = [noise.randbytes(LINE).hex() for _ in range(noise.randrange(1, size) // LINE)]
    return "\n".join([f"{name} version {version}", *lines])


def notebook_of(text: str) -> dict[str, Any]:
    """Return a notebook with this text in its one cell."""
    cell = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": text}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def version_in(body: bytes, name: str) -> int | None:
    """Return which version a stored notebook is, to its last byte; None if it is none, whole."""
    try:
        source = json.loads(body)["cells"][0]["source"]
        text = source if isinstance(source, str) else "".join(source)
        version = int(text.partition("\n")[0].rpartition(" ")[2])
    except (ValueError, LookupError, TypeError):
        return None
    return version if text == text_of(name, version) else None
