"""Loading the settings: default < .env < environment < flag, with the source of each value."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from habari_local.config.render.dist import as_text
from habari_local.config.settings import Settings, fields_by_variable, variable
from habari_local.core.errors import ConfigError, nearest
from habari_local.core.paths import CHECKOUT

# Variables that begin with HABARI_ and are none of the settings: which checkout is meant, what the
# tool gives to processes that it starts, and where its own tests look for things.
# Names as documentation of GitHub's apps and of JupyterHub has them; nothing here reads them.
OF_OTHERS = re.compile(r"(?:GITHUB|GH|OAUTH2?|JUPYTERHUB|JUPYTER|JPY|CONFIGPROXY)_|HUB_|\w*OAUTH_")
NOT_SETTINGS = frozenset({"HABARI_LABEL", "HABARI_SERVICE", CHECKOUT, "HABARI_ENDPOINTS_FILE"})


# What is wrong with a value, where pydantic's own words are for programmers.
PLAIN = {
    "int_parsing": "not a whole number",
    "float_parsing": "not a number",
    "string_pattern_mismatch": "not of the form that .env.dist shows",
}


@dataclass(frozen=True)
class Value:
    """One setting as text, and where it comes from."""

    text: str
    source: str


@dataclass(frozen=True)
class Loaded:
    """The settings and the source of each, by variable."""

    settings: Settings
    sources: Mapping[str, str]


def environment() -> dict[str, str]:
    """Return a copy of the process's environment: this module alone reads it.

    Without the checkout that this call works on: what it starts is told its own, by where it runs.
    """
    return {name: value for name, value in os.environ.items() if name != CHECKOUT}


def named_checkout() -> Path | None:
    """Return the checkout that the environment names, if it does."""
    return Path(os.environ[CHECKOUT]) if os.environ.get(CHECKOUT) else None


def as_environment(settings: Settings) -> dict[str, str]:
    """Return every setting as text, by its variable."""
    fields = fields_by_variable().items()
    return {name: as_text(getattr(settings, field)) for name, field in fields}


def load(root: Path, flags: Mapping[str, str] | None = None) -> Loaded:
    """Load the settings of the checkout at `root`.

    Args:
        root: folder of the `.env` file, which may be absent.
        flags: variable → text, as given on the command line.

    Raises:
        ConfigError: every unknown name and wrong value, of every source, at once.
    """
    values, problems = _dotenv(root / ".env")
    known = fields_by_variable()
    for name, text in environment().items():
        if name in known:
            values[name] = Value(text, "environment")
        elif name.startswith("HABARI_") and name not in NOT_SETTINGS:
            problems.append(_unknown(name, "environment"))
    for name, text in (flags or {}).items():
        if name in known:
            values[name] = Value(text, "flag")
        else:
            problems.append(_unknown(name, "flag"))
    settings = _validate(values, problems, root / ".env")
    sources = {name: values[name].source if name in values else "default" for name in known}
    return Loaded(settings, sources)


def _dotenv(path: Path) -> tuple[dict[str, Value], list[str]]:
    values: dict[str, Value] = {}
    problems: list[str] = []
    if not path.is_file():
        return values, problems
    known = fields_by_variable()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return values, [f"{path.name}: not UTF-8 text"]
    for binding in parse_stream(io.StringIO(text)):
        text = binding.original.string
        blank = text[: len(text) - len(text.lstrip())].count("\n")  # lines before it are its own
        source = f"{path.name}:{binding.original.line + blank}"
        if binding.error:
            problems.append(f"{source}: not a line NAME=value")
        elif binding.key in known and binding.value is None:
            problems.append(f"{source}: {binding.key} has no '=' and no value")
        elif binding.key in known:
            values[binding.key] = Value(binding.value or "", source)
        elif binding.key and binding.key.startswith("HABARI_"):
            problems.append(_unknown(binding.key, source))
    return values, problems


def unknown(name: str) -> tuple[str, str]:
    """Return what to say of a name that is no setting, and the nearest that is one, or ""."""
    known = fields_by_variable()
    short = {each.removeprefix("HABARI_"): each for each in known}  # as one is tempted to write
    near = nearest(name, [*known, *short])
    near = short.get(near, near)
    return f"{name} is no setting{f'; did you mean {near}?' if near else ''}", near


def _unknown(name: str, source: str) -> str:
    return f"{source}: {unknown(name)[0]}"


def unused(path: Path) -> list[str]:
    """Return a sentence for each variable of a .env file that GitHub's or JupyterHub's names have.

    Nothing reads them, and nothing else tells: unknown names with HABARI_ are refused.
    """
    if not path.is_file():
        return []
    known = fields_by_variable()
    with path.open(encoding="utf-8", errors="replace") as file:
        names = [each.key for each in parse_stream(file) if each.key]
    others = [each for each in names if each not in known and OF_OTHERS.match(each)]
    return [f"{path.name}: {unknown(each)[0]}; nothing reads it" for each in dict.fromkeys(others)]


def dotenv_names(path: Path) -> set[str]:
    """Return the names that a .env file sets."""
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8") as file:
        return {each.key for each in parse_stream(file) if each.key}


def _validate(values: Mapping[str, Value], problems: list[str], dotenv: Path) -> Settings:
    known = fields_by_variable()
    aliases = {name: Settings.model_fields[field].alias or field for name, field in known.items()}
    try:
        settings = Settings.model_validate({aliases[n]: v.text for n, v in values.items()})
    except ValidationError as error:
        found = [*problems, *_sentences(error, values)]
        raise ConfigError(found, _hint(found, dotenv)) from None
    if problems:
        raise ConfigError(problems, _hint(problems, dotenv))
    return settings


def _hint(problems: Sequence[str], dotenv: Path) -> str:
    """Return what to do about the first problem, by where it stands.

    `config show` would meet the same problems: only what works with them is named.
    """
    source, _, rest = problems[0].partition(": ")
    name = rest.partition("=")[0].split(" ")[0].rstrip(":")
    if source == "environment":
        return f"unset {name}"
    if source == "flag":
        return "habari-local config show"
    place, _, line = source.partition(":")
    if place == dotenv.name and name in fields_by_variable():
        return f"habari-local config unset {name}"
    if dotenv.is_file():
        at = f"+{line} " if place == dotenv.name and line else ""
        return f"${{EDITOR:-vi}} {at}{shlex.quote(str(dotenv))}"
    return "env | grep -e ^HABARI_ -e ^PROJECT_PATH"


def _sentences(error: ValidationError, values: Mapping[str, Value]) -> list[str]:
    sentences = []
    for detail in error.errors(include_url=False):
        message = PLAIN.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
        if not detail["loc"]:
            sentences += message.split("; ")
            continue
        place = str(detail["loc"][0])
        name = place if place in fields_by_variable() else variable(place)
        value = values[name]
        secret = Settings.model_fields[fields_by_variable()[name]].annotation is SecretStr
        shown = name if secret else f"{name}={value.text}"
        sentences.append(f"{value.source}: {shown}: {message[0].lower()}{message[1:]}")
    return sentences
