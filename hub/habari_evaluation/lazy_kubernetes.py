"""The client of Kubernetes, each class loaded when it is used: 20 of 800 are; all take seconds."""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

PACKAGES = tuple(f"kubernetes_asyncio.client{each}" for each in ("", ".models", ".api"))


class _Loader(importlib.abc.Loader):
    """Runs a package's `__init__.py` without its imports, and does each when its name is used."""

    def __init__(self, path: str) -> None:
        self.path = path

    def exec_module(self, module: ModuleType) -> None:
        with open(self.path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        places: dict[str, tuple[str, str]] = {}
        rest = []
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module != "__future__":
                for name in node.names:
                    places[name.asname or name.name] = (str(node.module), name.name)
            else:
                rest.append(node)
        code = compile(ast.Module(rest, []), self.path, "exec")
        exec(code, module.__dict__)  # noqa: S102 (what the import would run)

        def load(name: str) -> Any:
            if name not in places:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            where, what = places[name]
            found = getattr(importlib.import_module(where), what)
            setattr(module, name, found)
            return found

        module.__dict__["__getattr__"] = load


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the packages whose names are loaded one by one."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 (of the protocol)
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in PACKAGES:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        if found is None or found.origin is None:
            return found
        return importlib.util.spec_from_file_location(
            fullname,
            found.origin,
            loader=_Loader(found.origin),
            submodule_search_locations=found.submodule_search_locations,
        )


def install() -> None:
    """Have it loaded so from now on."""
    sys.meta_path.insert(0, _Finder())
