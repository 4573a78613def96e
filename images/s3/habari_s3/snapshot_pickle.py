"""State of a backend as bytes and back: pickle, of listed modules' classes only.

An attribute that a newer backend added is taken from `defaults`, so that data outlives an upgrade.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from habari_s3.blobs import BlobStore, StoredBlob

ALLOWED = (
    "moto.",
    "localstack.",
    "habari_s3.",
    "datetime",
    "collections",
    "zoneinfo",
    "dateutil.",
    "requests.structures",
)
BUILTINS = {"set", "frozenset", "bytearray", "complex", "slice", "range", "list", "dict", "object"}

Reduce = Callable[[Any], Any]

_CLASSES: dict[tuple[str, str], Any] = {}  # thousands of objects are of the same few classes


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, reduce: Reduce, known: Mapping[int, str]) -> None:
        super().__init__(file, protocol=5)
        self.bodies: dict[str, int] = {}
        self._reduce = reduce
        self._known = known

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, StoredBlob):
            self.bodies[obj.id] = obj.size
            return ("body", obj.id, obj.size, obj.checksum)
        name = self._known.get(id(obj))
        return ("known", name) if name is not None else None

    def reducer_override(self, obj: Any) -> Any:
        # These two use getattr by default, which is too much to allow.
        if isinstance(obj, Enum):
            return type(obj), (obj.value,)
        if isinstance(obj, ZoneInfo):
            return ZoneInfo, (obj.key,)
        return self._reduce(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, blobs: BlobStore, known: Mapping[str, Any]) -> None:
        super().__init__(file)
        self._blobs = blobs
        self._known = known

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "body":
            return StoredBlob(self._blobs, *pid[1:])
        return self._known[pid[1]]

    def find_class(self, module: str, name: str) -> Any:
        found = _CLASSES.get((module, name))
        if found is None:
            if not module.startswith(ALLOWED) and (module != "builtins" or name not in BUILTINS):
                raise pickle.UnpicklingError(f"{module}.{name} is not something that is kept here")
            found = _CLASSES[module, name] = super().find_class(module, name)
        return found


def serialize(
    value: Any, reduce: Reduce, known: Mapping[int, str] | None = None
) -> tuple[bytes, dict[str, int]]:
    """Return the bytes of `value` and the bodies (id → size) in it.

    Args:
        value: what to serialize.
        reduce: like `Pickler.reducer_override`, for objects that need care.
        known: id of an object that both sides have → its name; it is referred to by that.
    """
    file = io.BytesIO()
    pickler = _Pickler(file, reduce, known or {})
    pickler.dump(value)
    return file.getvalue(), pickler.bodies


def deserialize(state: bytes, blobs: BlobStore, known: Mapping[str, Any] | None = None) -> Any:
    """Return what was serialized.

    Raises:
        pickle.UnpicklingError: the state names a class that is not listed.
    """
    return _Unpickler(io.BytesIO(state), blobs, known or {}).load()
