"""Whether objects have the fields and types that Kubernetes' API has, by the client's models."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

Problem = dict[str, Any]
KINDS = {"str": str, "bool": bool, "date": str, "datetime": str}
QUANTITIES = ("limits", "requests", "capacity", "hard")  # which may be numbers too
LIST, MAP = re.compile(r"list\[(.+)\]"), re.compile(r"dict\(str, (.+)\)")
NAMES = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
NAMES |= {dict: "a map"}
NEEDED = re.compile(r"for `(\w+)`, must not be `None`")
HELD = ("data", "stringData", "binaryData")
KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
MOST = 2**20  # bytes in a Secret or a ConfigMap


def problems(made: Any) -> list[Problem]:
    """Return the fields of an object that the API server would refuse or not know.

    Each is its `path` and what it `says`, without the value. What is of no kind of Kubernetes' own
    (a route of a gateway) is not looked at.
    """
    if not isinstance(made, dict):
        return []
    version = str(made.get("apiVersion", "")).rpartition("/")[2]
    model = _model(f"V{version[1:]}{made.get('kind')}")
    if model is None:
        return []
    fields = {key: each for key, each in made.items() if key not in HELD}
    found = [*_object(fields, model, ()), *_held(made)]
    return [{"path": list(path), "says": says} for path, says in found]


def _held(made: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield keys that a Secret or a ConfigMap can't have, and that it has too much in it."""
    size = 0
    for kind in HELD if made["kind"] in ("Secret", "ConfigMap") else ():
        held = made.get(kind)
        for key, value in held.items() if isinstance(held, dict) else ():
            size += len(value) if isinstance(value, str) else 0
            if not KEY.fullmatch(str(key)):
                yield (kind, str(key)), "no key: letters, digits, - _ . were expected"
    if size > MOST * 4 // 3:  # in base64
        yield ("data",), "more than 1 MiB, which is what Kubernetes takes"


def _model(name: str) -> Any:
    models = importlib.import_module("kubernetes_asyncio.client.models")
    return getattr(models, name, None)


def _object(node: Any, model: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if not isinstance(node, dict):
        yield path, f"{_kind(node)}, a map was expected"
        return
    types = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    yield from _missing(node, model, path)
    for key, value in node.items():
        if key not in types:
            yield (*path, key), "Kubernetes knows no such field"
        else:
            yield from _typed(value, types[key], (*path, key))


def _missing(node: Any, model: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield the first field that the model can't be without, as its own constructor tells."""
    given = {name: node.get(key) for name, key in model.attribute_map.items()}
    try:
        model(**given)
    except ValueError as error:
        found = NEEDED.search(str(error))
        if found:
            yield (*path, model.attribute_map.get(found[1], found[1])), "not set"


def _typed(node: Any, kind: str, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    listed, mapped = LIST.fullmatch(kind), MAP.fullmatch(kind)
    if node is None or kind == "object":
        return
    if listed:
        if isinstance(node, list):
            for number, each in enumerate(node):
                if each is None and _model(listed[1]) is not None:
                    yield (*path, number), "nothing, a map was expected"
                yield from _typed(each, listed[1], (*path, number))
        else:
            yield path, f"{_kind(node)}, a list was expected"
    elif mapped:
        yield from _map(node, mapped[1], path)
    elif kind in ("int", "float"):
        if isinstance(node, bool) or not isinstance(node, int if kind == "int" else (int, float)):
            yield path, f"{_kind(node)}, a number was expected"
    elif kind in KINDS:
        if not isinstance(node, KINDS[kind]):
            yield path, f"{_kind(node)}, {NAMES[KINDS[kind]]} was expected"
    elif _model(kind) is not None:
        yield from _object(node, _model(kind), path)


def _map(node: Any, kind: str, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if not isinstance(node, dict):
        yield path, f"{_kind(node)}, a map was expected"
        return
    number = path[-1] in QUANTITIES
    for key, each in node.items():
        if not (number and isinstance(each, int | float) and not isinstance(each, bool)):
            yield from _typed(each, kind, (*path, key))


def _kind(value: Any) -> str:
    return NAMES.get(type(value), type(value).__name__)
