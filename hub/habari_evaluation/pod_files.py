"""The hub's pod as its configuration sees it: its files, its environment."""

from __future__ import annotations

import builtins
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any


class PodFiles:
    """Has Python open the files of the pod where they were written for this check.

    A secret that the release does not make (`hub.existingSecret`) has whatever is asked of it, as
    nobody knows here what is in it: an empty map of values, and else 64 hex digits, which are good
    as a key, a token and a password. What the chart's own secret has is asked of that one.
    """

    def __init__(self, root: str, unknown: Sequence[str]) -> None:
        self.root = root
        self.unknown = unknown

    def install(self) -> None:
        """Have every way to a file go through here."""
        for owner, name in (
            (builtins, "open"),
            *((os, each) for each in ("stat", "lstat", "listdir", "scandir", "access")),
        ):
            setattr(owner, name, self._redirected(getattr(owner, name)))
        io.open = builtins.open

    def _redirected(self, call: Any) -> Any:
        def redirected(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            return call(self.place(path), *args, **kwargs)

        return redirected

    def place(self, path: Any) -> Any:
        """Return where a file of the pod is; any other path as it is."""
        if not isinstance(path, (str, os.PathLike)):
            return path
        text = os.fspath(path)
        if not isinstance(text, str) or not text.startswith("/") or text.startswith(self.root):
            return path
        here = self.root + os.path.normpath(text)
        if _exists(here):
            return here
        for mount in self.unknown:
            if os.path.dirname(text) == mount.rstrip("/") and not self._beside(mount, text):
                self._invent(here)
                return here
        return path

    def _beside(self, mount: str, text: str) -> bool:
        """Whether another secret of the pod has a file of that name."""
        parent, name = os.path.dirname(mount.rstrip("/")), os.path.basename(text)
        secrets = (f"{self.root}{parent}/{each}/{name}" for each in ("secret", "config"))
        return any(_exists(each) for each in secrets)

    def _invent(self, here: str) -> None:
        os.makedirs(os.path.dirname(here), exist_ok=True)
        values = here.endswith((".yaml", ".yml", ".json"))
        with builtins.open(here, "w", encoding="utf-8") as file:
            file.write("{}" if values else invented(here[len(self.root) :]))


_stat = os.stat


def _exists(path: str) -> bool:
    try:
        _stat(path)
    except OSError:
        return False
    return True


def invented(name: str) -> str:
    """Return what stands for a secret that is not known here: 64 hex digits, for each its own."""
    return hashlib.sha256(name.encode()).hexdigest()


def environment(given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the pod's variables; those of unknown secrets (None) get something."""
    return {name: invented(name) if text is None else text for name, text in given.items()}
