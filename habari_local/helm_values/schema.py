"""What a chart does not take of values, told by its own schema with file and line."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import USAGE, HabariError
from habari_local.helm_values.chart import Chart
from habari_local.helm_values.values import (
    BadValues,
    Place,
    Values,
    Violation,
    merge_layers,
    merge_over_defaults,
    read,
    violation_at,
)

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def check(chart: Chart, files: Sequence[Path], root: Path | None = None) -> None:
    """Refuse values that the chart does not take.

    Raises:
        HabariError: every problem of every file at once; exit code 2.
    """
    found = messages(chart, files, root)
    if found:
        count = f"{len(found)} problem{'s' if len(found) != 1 else ''}"
        raise HabariError(
            f"Values for chart {chart.title}: {count} found.",
            "fix the lines named above, then repeat the command",
            USAGE,
            [f"- {each}" for each in found],
        )


def messages(chart: Chart, files: Sequence[Path], root: Path | None = None) -> list[str]:
    """Return a sentence for everything in `files` (later wins) that the chart does not take.

    Paths are shown from `root`. No sentence has a value in it: it could be a secret.
    """
    layers, found = read_all(files, root)
    return [str(each) for each in found or violations(chart, layers)]


def violations(chart: Chart, layers: Sequence[Values]) -> list[Violation]:
    """Return everything in layers (later wins) that the chart does not take."""
    # Where it is installed, jsonschema loads a grammar of addresses, for a second and a format that
    # no chart has; None has it taken for missing.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from jsonschema.validators import validator_for

    whole = merge_over_defaults(chart.defaults(), merge_layers([each.data for each in layers]))
    schema = chart.schema()
    errors = validator_for(schema)(schema).iter_errors(whole)
    told = {_located(layers, place, says) for error in errors for place, says in _sentences(error)}
    return sorted(told, key=lambda each: (each.file, each.line, str(each)))


def emptied(chart: Chart, layers: Sequence[Values]) -> Iterator[Violation]:
    """Yield maps of the chart that values empty (`hub.db:`) and that its templates look into.

    Helm fails on them. Where a template is rendered only under a condition it may not.
    """
    data = merge_layers([each.data for each in layers])
    places = list(_emptied(chart.defaults(), data, ()))
    texts = chart.templates() if places else []
    always = "\n".join(part for text in texts for part in _unconditional(text))
    for place in places:
        inside = re.compile(rf"\.Values\.{re.escape('.'.join(map(str, place)))}\.\w")
        if any(map(inside.search, texts)):
            says = "empty, and the chart's templates look into it; without the name its own counts"
            warning = not inside.search(always)
            yield violation_at(layers, place, says, "emptied", warning=warning)


def _emptied(defaults: Any, data: Any, place: Place) -> Iterator[Place]:
    for key, value in defaults.items() if isinstance(data, dict) else ():
        if isinstance(value, dict) and key in data:
            if data[key] is None:
                yield (*place, key)
            yield from _emptied(value, data[key], (*place, key))


def _unconditional(template: str) -> list[str]:
    """Return the parts of a template that are always rendered, its first condition itself too."""
    actions = re.findall(r"\{\{-?\s*(?:/\*.*?\*/|[^{}]*?)\s*-?\}\}", template, re.DOTALL)
    first = next((each for each in actions if not re.match(r"\{\{-?\s*(\$\w+ :?=|/\*)", each)), "")
    if re.match(r"\{\{-?\s*if\b", first):
        return actions[: actions.index(first) + 1]
    return [template]


def read_all(
    files: Sequence[Path], root: Path | None = None
) -> tuple[list[Values], list[Violation]]:
    """Read files of values; return those that can be read, and what is wrong with the others.

    They are called by their paths from `root`, where they are in it.
    """
    layers: list[Values] = []
    found: list[Violation] = []
    for path in files:
        inside = root is not None and path.is_relative_to(root)
        try:
            layers.append(read(path, str(path.relative_to(root)) if root and inside else ""))
        except BadValues as error:
            found.append(Violation(error.name, error.line, "", error.problem, "yaml"))
    return layers, found


def _located(layers: Sequence[Values], place: Place, says: str) -> Violation:
    found = violation_at(layers, place, says, "schema")
    named = found if found.place else replace(found, place="values")
    return named if found.line else replace(named, file="the chart's own values")


def _sentences(error: ValidationError) -> Iterator[tuple[Place, str]]:
    place: Place = tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    wanted: Any = error.validator_value
    if error.validator == "additionalProperties":
        for name in _unknown(instance, schema):
            near = difflib.get_close_matches(name, schema.get("properties", {}), 1)
            yield (*place, name), "no such name" + (f", did you mean {near[0]}?" if near else "")
    elif error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        yield place, f"{_kind(instance)}, {_either(KINDS[k] for k in kinds)} was expected"
    elif error.validator == "enum":
        texts = ("nothing" if each is None else str(each) for each in wanted)
        yield place, f"none of what is possible: {_either(texts)}"
    elif error.validator == "required":
        missing = [name for name in wanted if name not in instance]
        yield place, f"missing: {', '.join(missing)}"
    else:
        yield place, f"does not fit the schema's {error.validator} {_short(wanted)}"


def _unknown(instance: Any, schema: Any) -> list[str]:
    patterns = list(schema.get("patternProperties", {}))
    return [
        name
        for name in instance
        if name not in schema.get("properties", {})
        and not any(re.search(pattern, name) for pattern in patterns)
    ]


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    return KINDS[kinds.get(type(value), "null" if value is None else "number")]


def _either(words: Iterator[str] | Any) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else str(last)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
