"""The models of Jupyter's contents API: S3's facts and bytes as a browser's JSON, and back.

Protocol: https://jupyter-server.readthedocs.io/en/latest/developers/contents.html
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import mimetypes
import re
from datetime import UTC, datetime
from typing import Any

import nbformat

from habari_contents.types import ETag, Stat

from .errors import ContentsError, reserved

Model = dict[str, Any]

# S3 has no folders, so they have no time. The model must have one: the server's start is no lie
# that anybody would act on, where "56 years ago" makes people think that something is broken.
CHECKPOINTS = ".ipynb_checkpoints"
UNKNOWN_TIME = datetime.now(UTC)
UNREADABLE = (ValueError, KeyError, AttributeError, TypeError, RecursionError)
# What Jupyter's addresses of a file's checkpoints and of its trust end in.
RESERVED = frozenset({"checkpoints", "trust"})
NOTEBOOK_TYPE = "application/x-ipynb+json"


def content_type(path: str) -> str:
    """The Content-Type that an object of this name gets."""
    if path.endswith(".ipynb"):
        return NOTEBOOK_TYPE
    kind, encoding = mimetypes.guess_type(path)
    if encoding or kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def directory(path: str, content: list[Model] | None = None) -> Model:
    """A folder's model, with its entries if they are given."""
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "type": "directory",
        "writable": True,
        "created": UNKNOWN_TIME,
        "last_modified": UNKNOWN_TIME,
        "size": None,
        "mimetype": None,
        "content": content,
        "format": None if content is None else "json",
        "hash": None,
        "hash_algorithm": None,
    }


def file(path: str, stat: Stat, kind: str | None = None) -> Model:
    """A file's or notebook's model without content; `hash` is the ETag."""
    if kind not in {"file", "notebook"}:
        kind = "notebook" if path.endswith(".ipynb") else "file"
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "type": kind,
        "writable": True,
        "created": stat.modified,
        "last_modified": stat.modified,
        "size": stat.size,
        "mimetype": mimetypes.guess_type(path)[0] if kind == "file" else None,
        "content": None,
        "format": None,
        "hash": str(stat.etag),
        "hash_algorithm": "etag",
    }


def note(path: str, said: str) -> Model:
    """A row of a listing that is no file and tells something of the folder."""
    stat = Stat("", ETag(), 0, UNKNOWN_TIME)
    return file(f"{path}/\N{MIDLINE HORIZONTAL ELLIPSIS} {said}", stat) | {"writable": False}


def is_reserved(path: str) -> bool:
    """Is the path's address one that Jupyter takes for that of checkpoints or of trust?

    https://github.com/jupyter-server/jupyter_server: services/contents/handlers.py
    """
    parts = path.split("/")
    if parts[-1] in RESERVED:
        return True
    return "checkpoints" in parts[-2:-1] and re.fullmatch(r"[\w-]+", parts[-1]) is not None


def require_usable(path: str) -> None:
    """Raise 400 for a path that no browser could open once it is there."""
    if is_reserved(path):
        raise reserved(path)


def decode_file(path: str, content: bytes, wanted: str | None) -> Model:
    """The fields `content`, `format`, `mimetype` of a file; `wanted` is text, base64 or None.

    Raises 400 if text is wanted and the bytes are not UTF-8.
    """
    if wanted != "base64":
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            if wanted == "text":
                raise ContentsError(400, f"{path}: is not UTF-8 text.") from error
        else:
            kind = mimetypes.guess_type(path)[0] or "text/plain"
            return {"content": text, "format": "text", "mimetype": kind}
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"content": base64.b64encode(content).decode(), "format": "base64", "mimetype": kind}


def encode_file(path: str, model: Model) -> bytes:
    """The bytes that a file's model stands for. Raises 400 for what cannot be decoded."""
    content, form = model.get("content"), model.get("format") or "text"
    if not isinstance(content, str) or form not in {"text", "base64"}:
        raise ContentsError(400, f"{path}: came as {form}, expected content as text or base64.")
    if form == "text":
        try:
            return content.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ContentsError(400, f"{path}: has half a character, which no file can.") from error
    try:
        return base64.b64decode(content.encode("ascii"), validate=False)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ContentsError(400, f"{path}: came as base64 that cannot be decoded.") from error


async def read_notebook(path: str, content: bytes) -> tuple[Any, dict[str, Any]]:
    """The notebook (as nbformat 4) in the bytes, and what nbformat's validation said of it.

    Raises 400 if they are no notebook.
    """
    problems: dict[str, Any] = {}
    if not content:
        raise ContentsError(400, f"{path}: is empty and no notebook. Try: delete it.")

    def parse() -> Any:
        return nbformat.reads(  # type: ignore[no-untyped-call]
            content.decode("utf-8"), as_version=4, capture_validation_error=problems
        )

    try:
        notebook = await asyncio.to_thread(parse)
    except UNREADABLE as error:
        raise ContentsError(400, f"{path}: is no notebook ({reason_of(error)}).") from error
    return notebook, problems


async def as_notebook(path: str, content: Any) -> Any:
    """The notebook that a model's content is. Raises 400 if it is none."""
    if not isinstance(content, dict) or not content:
        raise ContentsError(400, f"{path}: came without a notebook in it.")
    try:
        return await asyncio.to_thread(nbformat.from_dict, content)
    except UNREADABLE as error:
        raise ContentsError(
            400, f"{path}: cannot be written as a notebook ({reason_of(error)})."
        ) from error


async def write_notebook(path: str, notebook: Any) -> tuple[bytes, dict[str, Any]]:
    """The bytes that Jupyter writes to a disk (indent 1, UTF-8, final newline), and its problems.

    Raises 400 if nbformat cannot write it.
    """
    problems: dict[str, Any] = {}

    def render() -> bytes:
        text: str = nbformat.writes(  # type: ignore[no-untyped-call]
            notebook, version=nbformat.NO_CONVERT, capture_validation_error=problems
        )
        body = text.encode("utf-8")
        del text  # of a large one, each copy counts
        return body if body.endswith(b"\n") else body + b"\n"

    try:
        return await asyncio.to_thread(render), problems
    except UNREADABLE as error:
        raise ContentsError(
            400, f"{path}: cannot be written as a notebook ({reason_of(error)})."
        ) from error


def reason_of(error: Exception) -> str:
    """What nbformat or Python says of it, on one line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeError):
        return "it has half a character"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return " ".join(str(error).split())[:200] or type(error).__name__
