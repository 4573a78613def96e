"""The configuration as JupyterHub loads it: which line set what, and what is wrong."""

from __future__ import annotations

import builtins
import difflib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from enum import Enum
from types import FrameType
from typing import Any

from traitlets import TraitError
from traitlets.config.loader import Config, PyFileConfigLoader

KEY = "<hub.extraConfig."  # how code of extraConfig is called in a traceback: with its key, and ">"
WHERE_VARIABLES_ARE = type(os.environ).__getitem__.__code__.co_filename
Origins = dict[str, tuple[str, int]]


class Recorder:
    """Knows which line of which key of extraConfig set a trait."""

    def __init__(self, code: Mapping[str, str]) -> None:
        self.names = {text: f"{KEY}{key}>" for key, text in code.items()}
        self.set: dict[tuple[int, str], tuple[str, int]] = {}

    def install(self) -> None:
        """Name the code that `exec` is given, and note what is set on a Config."""
        run, put = builtins.exec, Config.__setitem__

        def named(code: Any, scope: Any = None, local: Any = None, /, **more: Any) -> None:
            caller = sys._getframe(1)
            if scope is None:
                scope, local = caller.f_globals, caller.f_locals
            if isinstance(code, str) and code in self.names:
                code = compile(code, self.names[code], "exec", dont_inherit=True)
            run(code, scope, scope if local is None else local, **more)

        def noted(config: Any, key: str, value: Any) -> None:
            where = _line_of_values(sys._getframe(1))
            if where:
                self.set[id(config), key] = where
            put(config, key, value)

        builtins.exec = named
        setattr(Config, "__setitem__", noted)  # noqa: B010 (no type of it can be told)

    def origins(self, config: Any) -> Origins:
        """Return `Class.trait` → key of extraConfig and line, of what was set there last."""
        return {
            f"{section}.{trait}": self.set[id(its), trait]
            for section, its in config.items()
            if isinstance(its, Config)
            for trait in its
            if (id(its), trait) in self.set
        }


def _line_of_values(frame: FrameType | None) -> tuple[str, int] | None:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(KEY):
            return name[len(KEY) : -1], frame.f_lineno
        frame = frame.f_back
    return None


def load(path: str) -> Any:
    """Return what a file of configuration says; raises whatever its code does."""
    folder, _, name = path.rpartition("/")
    return PyFileConfigLoader(name, path=folder).load_config()


def failure(stage: str, error: BaseException, **more: Any) -> dict[str, Any]:
    """Return what is told of an exception: no value, which could be a secret."""
    places = [
        (frame.filename[len(KEY) : -1], frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(KEY)
    ]
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(KEY):
        places.append((str(error.filename)[len(KEY) : -1], error.lineno or 0))
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    where = places[-1] if places else None
    kind = type(error).__name__
    if isinstance(error, KeyError) and _of_environment(error):
        kind, message = "NoSuchVariable", str(error.args[0])
    return {"stage": stage, "error": kind, "message": message, "where": where, **more}


def _of_environment(error: KeyError) -> bool:
    """Whether it is `os.environ` that has no such name."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return bool(last and error.args) and last[0].filename == WHERE_VARIABLES_ARE


def wrong_traits(cls: Any, config: Any) -> Iterator[dict[str, Any]]:
    """Yield every trait of a class that does not take what the configuration has for it."""
    if not hasattr(cls, "section_names"):
        return
    traits = cls.class_traits(config=True)
    for section in cls.section_names():
        for name, value in config.get(section, {}).items():
            trait = traits.get(name)
            if trait is None or hasattr(value, "get_value"):
                continue
            try:
                trait._validate(_Owner(cls), value)
            except TraitError as error:
                about = f"{_kind(value)}, {trait.info()} was expected"
                yield failure("traits", error, trait=name, section=section, about=about)
            except Exception:  # noqa: S112 (of a trait that asks its object: seen as it is made)
                continue


def unknown_traits(cls: Any, config: Any) -> Iterator[dict[str, str]]:
    """Yield what the configuration sets of a class that has no such trait: it is without effect."""
    if not hasattr(cls, "section_names"):
        return
    known = cls.class_traits()
    for section in cls.section_names():
        for name in config.get(section, {}):
            if name not in known and not hasattr(cls, name):
                near = difflib.get_close_matches(name, known, 1, 0.8)
                yield {"section": section, "trait": name, "near": near[0] if near else ""}


def unknown_sections(classes: list[Any], config: Any) -> Iterator[dict[str, str]]:
    """Yield sections that are called nearly as a class that is used: nothing reads them."""
    known = {name for cls in classes for name in getattr(cls, "section_names", list)()}
    lower = {name.lower(): name for name in known}
    for section in config:
        if section not in known and section.lower() in lower:
            yield {"section": section, "trait": "", "near": lower[section.lower()]}


class _Owner:
    """Stands for the object of a trait, which is not made while its values are wrong."""

    def __init__(self, cls: Any) -> None:
        self._trait_validators: dict[str, Any] = {}
        self._cross_validation_lock = True
        self._config = Config()
        self.__name__ = cls.__name__


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number"}
    kinds |= {list: "a list", dict: "a map", type(None): "nothing"}
    return kinds.get(type(value), type(value).__name__)


def data(value: Any, depth: int = 6) -> Any:
    """Return a value as JSON has it: sets as lists, what is no data by its name."""
    value = value.name if isinstance(value, Enum) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): data(each, depth - 1) for key, each in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((data(each, depth - 1) for each in value), key=str)
    if isinstance(value, (list, tuple)):
        return [data(each, depth - 1) for each in value]
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)}>"
