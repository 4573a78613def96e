"""What values set of JupyterHub: in hub.config, and in the Python of hub.extraConfig.

The Python is read, not run: assignments of constants to `c.Class.trait` in any notation. What it
computes is seen where values are evaluated.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from habari_local.helm_values.values import Data, Place, at, map_at

CONFIG: Place = ("hub", "config")
CODE: Place = ("hub", "extraConfig")


@dataclass(frozen=True)
class Setting:
    """One trait of a class; the value of what is no constant in Python is its last name."""

    cls: str
    trait: str
    value: Any
    place: Place


def settings(data: Data) -> list[Setting]:
    """Return everything that is set, in the order in which it counts."""
    found = [
        Setting(cls, trait, value, (*CONFIG, cls, trait))
        for cls, its in map_at(data, *CONFIG).items()
        if isinstance(its, dict)
        for trait, value in its.items()
    ]
    for place, text in sorted(code(data), key=lambda each: str(each[0])):
        tree = _parsed(text)
        found += _assignments(tree, place) if tree else _by_words(text, place)
    return found


def code(data: Data) -> Iterator[tuple[Place, str]]:
    """Yield each text of hub.extraConfig and its place."""
    given = at(data, CODE)
    pairs: list[tuple[Any, Any]] = []
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list):
        pairs = list(enumerate(given))
    for key, text in pairs:
        if isinstance(text, str):
            yield (*CODE, key), text


def no_python(data: Data) -> Iterator[tuple[Place, str]]:
    """The hub runs extraConfig as it starts: an error in it keeps everybody out."""
    for place, text in code(data):
        try:
            ast.parse(text)
        except (SyntaxError, ValueError) as error:
            says = getattr(error, "msg", "") or "no text of Python"
            if not _newer(says, text, getattr(error, "lineno", 0) or 0):
                line = getattr(error, "lineno", None)
                where = f" in its line {line}" if line else ""
                yield place, f"no Python: {says.partition(' (')[0]}{where}"
        except (RecursionError, MemoryError):
            yield place, "no Python: nested too deep"


def literals(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each constant of Python that is given to a name."""
    tree = _parsed(text)
    for node in ast.walk(tree) if tree else ():
        pairs: list[tuple[Any, ast.AST]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.keyword):
            pairs = [(node.arg or "", node.value)]
        elif isinstance(node, ast.Dict):
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Name | ast.Attribute):
            pairs = [(node.left, each) for each in node.comparators]
        for target, value in pairs:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield target if isinstance(target, str) else _name(target), value.value


def _newer(says: str, text: str, line: int) -> bool:
    """Whether it may be Python of the hub's version that this older one does not know."""
    row = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1]
    new = "f-string" in says or re.match(r"\s*(type\s|def \w+\[|class \w+\[)", row)
    return sys.version_info < (3, 12) and bool(new or "f'" in row or 'f"' in row)


@lru_cache(maxsize=64)  # each rule reads all
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assignments(tree: ast.Module, place: Place) -> Iterator[Setting]:
    known: dict[str, Any] = {}
    roots = {"c"}
    for node in ast.walk(tree):
        for target, value in _given(node):
            if isinstance(target, ast.Name):
                known[target.id] = _value(value, known)
                if _path(value) in (("c",), ("get_config", "()")):
                    roots.add(target.id)
            path = _path(target)
            if path[0] not in roots:
                continue
            if len(path) == 3:
                yield Setting(path[1], path[2], _value(value, known), place)
                continue
            inner = _value(value, known)
            whole = {path[1]: inner} if len(path) == 2 else inner
            for cls, its in whole.items() if isinstance(whole, dict) and len(path) < 3 else ():
                for trait, each in its.items() if isinstance(its, dict) else ():
                    yield Setting(str(cls), str(trait), each, place)


def _given(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Return what a statement or call gives a value to, and the value."""
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AugAssign | ast.AnnAssign) and node.value is not None:
        return [(node.target, node.value)]
    return _called(node) if isinstance(node, ast.Call) else []


def _called(node: ast.Call) -> list[tuple[ast.expr, ast.expr]]:
    """Return what setattr(c.X, "y", v), c.X.y.append(v), .add(v) and .update(v) set."""
    if isinstance(node.func, ast.Name) and node.func.id == "setattr" and len(node.args) == 3:
        owner, name, value = node.args
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            return [(ast.Attribute(owner, name.value), value)]
    if isinstance(node.func, ast.Attribute) and len(node.args) == 1:
        argument = node.args[0]
        if node.func.attr in ("append", "add"):
            return [(node.func.value, ast.List([argument]))]
        if node.func.attr in ("update", "extend", "merge"):
            return [(node.func.value, argument)]
    return []


def _path(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        return (*_path(node.value), node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return (*_path(node.value), str(node.slice.value))
    if isinstance(node, ast.Call):
        return (*_path(node.func), "()")
    return ("?",)


def _name(node: Any) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return _path(node)[-1] if isinstance(node, ast.AST) else ""


def _value(node: ast.expr, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Call) and _path(node.func)[-1] == "Config" and node.args:
        node = node.args[0]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        last = _path(node)[-1]
        return known.get(last, last) if isinstance(node, ast.Name) else last


def _by_words(text: str, place: Place) -> Iterator[Setting]:
    """Yield what a text that is no Python to us seems to set."""
    for cls, trait, value in re.findall(r"\bc\.(\w+)\.(\w+)\s*=\s*([^\n#]+)", text):
        yield Setting(cls, trait, _literal(value.strip()), place)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text.rpartition(".")[2]
