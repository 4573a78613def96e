"""The user's kubeconfig: which contexts it names, and in which file. It is read, never written.

Its current context is not looked at: who means a cluster names it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from habari_local.core.errors import USAGE, HabariError, pasteable
from habari_local.core.yaml11 import BadYaml, load

TRY = "habari-local up --mode cluster --context"


def files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files: those of KUBECONFIG, else the one in the home, if they are there."""
    named = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    paths = named or [str(Path(environ.get("HOME", "~")) / ".kube" / "config")]
    return [path for path in (Path(each).expanduser() for each in paths) if path.is_file()]


def contexts(environ: Mapping[str, str]) -> dict[str, list[Path]]:
    """Return each context's name and the files that have one of that name.

    Raises:
        HabariError: a file is no kubeconfig.
    """
    found: dict[str, list[Path]] = {}
    for path in files(environ):
        for name in _names(path, "contexts"):
            found.setdefault(name, []).append(path)
    return found


def find(environ: Mapping[str, str], context: str) -> Path:
    """Return the one file that has a context, with the cluster and the user that it names.

    Raises:
        HabariError: no context was named, none has that name, or more than one file has it.
    """
    known = contexts(environ)
    like = next(iter(known), "NAME")
    offered = f"one of {', '.join(known)} was expected" if known else "and the kubeconfig has none"
    if not context:
        raise HabariError(f"Context: none was named, {offered}.", f"{TRY} {like}", USAGE)
    if context not in known:
        raise HabariError(f"Context {context}: not known, {offered}.", f"{TRY} {like}", USAGE)
    where = known[context]
    if len(where) > 1:
        raise HabariError(
            f"Context {context}: in {' and '.join(map(str, where))}, one file was expected.",
            f"KUBECONFIG={shlex.quote(str(where[0]))} {TRY} {context}",
            USAGE,
        )
    _whole(where[0], context)
    return where[0]


def _whole(path: Path, context: str) -> None:
    about = next(each for each in _items(path, "contexts") if each["name"] == context)
    for part in ("cluster", "user"):
        name = (about.get("context") or {}).get(part)
        if name not in _names(path, f"{part}s"):
            raise HabariError(
                f"Context {context}: its {part} {name} is not in {path}.",
                pasteable("kubectl", "config", "view", "--kubeconfig", path),
                USAGE,
            )


def _names(path: Path, kind: str) -> list[str]:
    return [str(each.get("name")) for each in _items(path, kind)]


def _items(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    try:
        loaded = load(path.read_text(encoding="utf-8")).data or {}
        yield from loaded.get(kind) or ()
    except (BadYaml, UnicodeDecodeError, AttributeError, TypeError):
        raise HabariError(f"{path}: no kubeconfig.", "kubectl config view", USAGE) from None
