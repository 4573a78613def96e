"""A home folder and S3 buckets as one Jupyter contents tree: the public names.

The contents manager is imported when it is asked for, so that reading the version costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .manager import HabariContentsManager

__version__ = "0.1.0"
__all__ = ["HabariContentsManager", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "HabariContentsManager":
        from .manager import HabariContentsManager

        return HabariContentsManager
    raise AttributeError(name)
