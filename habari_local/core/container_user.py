"""The account that users' containers run as: the one whose number owns the project's folder."""

from __future__ import annotations

import os
from pathlib import Path

JOVYAN, USERS = 1000, 100  # the account and the group of Jupyter's images


def uid() -> int:
    """Return the number of the account: ours, so that folders fit, but never root's."""
    return os.getuid() or JOVYAN


def chown(path: Path) -> None:
    """Make what root has just made readable for the containers' account."""
    if os.getuid() == 0:
        os.chown(path, JOVYAN, USERS)
