"""YAML as helm, kind and kubectl read it, by Go's library: YAML 1.1 with rules of its own.

The rules are those of go.yaml.in/yaml/v2 under sigs.k8s.io/yaml (resolve.go, decode.go): `no`, `on`
and `y` are booleans, `0777` and `0o777` octal, `1e5` a number, `1:30` and dates text; of names that
stand twice the last counts, a merged map overrides what stands above it, and nothing after the
first document is read. The parser is libyaml, which Go's is a translation of.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Key = str | int
Place = tuple[Key, ...]

TAG = "tag:yaml.org,2002:"
TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
NULLS = ("", "~", "null", "Null", "NULL")
ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]\d\d?:\d\d?:\d\d?(\.\d+)?(Z|[-+]\d\d:\d\d)?)?")
INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9]\d*))")
FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
# What other readers of YAML 1.1 (Python's, in the hub) take for numbers of base 60, and for more.
ELSEWHERE = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?|[-+]?[\d_]*\.[\d_]*|=|<<")
SLASH = re.compile(r"(?<!\\)(\\\\)*\\/")
DEPTH = 200  # maps and lists in one another
COUNT = 200_000  # values, each alias counted
ALIASES = 0.99  # the most of all values that may come by aliases, in more than 1000
INT64, UINT64 = 2**63, 2**64


class BadYaml(Exception):
    """A text that is no YAML to Go's library; the message has none of its values."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


@dataclass
class Document:
    """The first document of a text: `lines` has the line (from 1) of every key and item."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    repeated: list[tuple[Place, int]] = field(default_factory=list)  # the later one, which counts
    ends: int = 0  # the line of another document's beginning, which nobody reads; 0: of none


@dataclass(eq=False)
class _Node:
    line: int
    value: Any = None  # of a scalar; the node of an alias
    kind: str = "scalar"
    tag: str = ""
    plain: bool = True
    children: list[_Node] = field(default_factory=list)


def load(text: str) -> Document:
    """Read the first document of a text.

    Raises:
        BadYaml: it can't be read.
    """
    import yaml

    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found, ends = _Composer(yaml.parse(text, Loader=parser), text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or "no YAML").strip().splitlines()[0]
        raise BadYaml(problem, mark.line + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        # `position` counts bytes, or characters; a line too far is better than none.
        line = text.encode(errors="replace")[: error.position].count(b"\n") + 1
        raise BadYaml("a character that YAML has not", line) from None
    except UnicodeEncodeError as error:
        raise BadYaml("half of a character", text.count("\n", 0, error.start) + 1) from None
    made = Document(ends=ends)
    if found is not None:
        made.data = _Decoder(made).value(found, ())
    return made


class _Composer:
    """Makes nodes of what the parser tells, of the first document alone."""

    def __init__(self, events: Iterator[Any], text: str) -> None:
        self._events, self._text = events, text
        self._anchors: dict[str, _Node] = {}
        self._depth = self._in_brackets = 0

    def document(self) -> tuple[_Node | None, int]:
        """Return the document's node, and the line at which another begins (0: none does)."""
        import yaml

        next(self._events)  # the stream's beginning
        event = next(self._events)
        if not isinstance(event, yaml.DocumentStartEvent):
            return None, 0
        if event.version not in (None, (1, 1)):
            raise BadYaml("not YAML 1.1, which is what helm reads")
        node = self._node(next(self._events))
        next(self._events)  # the document's end
        try:
            event = next(self._events)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            return node, mark.line + 1 if mark else 0
        another = isinstance(event, yaml.DocumentStartEvent)
        return node, event.start_mark.line + 1 if another else 0

    def _node(self, event: Any) -> _Node:
        import yaml

        node = _Node(event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent) and event.anchor:
            node.kind, node.value = "alias", self._anchors.get(event.anchor)
            if node.value is None:
                raise BadYaml("an alias of nothing that stands above it", node.line)
            return node
        node.tag = (event.tag or "").replace(TAG, "!!")
        if event.anchor:
            self._anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            node.value, node.plain = event.value, event.implicit[0]
            self._refuse_what_is_newer(event, node.line)
            return node
        self._depth += 1
        flow = event.flow_style is True
        self._in_brackets += flow
        if self._depth > DEPTH:
            raise BadYaml("nested too deep to be read", node.line)
        node.kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            node.children.append(self._node(event))
        self._depth -= 1
        self._in_brackets -= flow
        return node

    def _refuse_what_is_newer(self, event: Any, line: int) -> None:
        """Refuse what libyaml learned after Go's translation was made."""
        if self._in_brackets and not event.style and "?" in event.value:
            raise BadYaml("a question mark between brackets, quotes were expected", line)
        raw = self._text[event.start_mark.index : event.end_mark.index]
        if event.style == '"' and SLASH.search(raw):
            raise BadYaml("found unknown escape character", line)


class _Decoder:
    """Makes data of nodes, as JSON has it: helm takes every YAML through JSON."""

    def __init__(self, made: Document) -> None:
        self._made = made
        self._open: set[int] = set()
        self._count = self._by_alias = self._aliases = 0

    def value(self, node: _Node, place: Place) -> Any:
        """Return the data of a node that stands at a place."""
        self._count += 1
        self._by_alias += self._aliases > 0
        much = self._by_alias > 100 and self._count > 1000
        if (much and self._by_alias > ALIASES * self._count) or self._count > COUNT:
            raise BadYaml(f"more than {COUNT} values, or nearly all by aliases", node.line)
        if node.kind == "alias":
            return self._alias(node, place)
        if node.kind == "scalar":
            return _finite(_resolved(node), node.line)
        if node.kind == "map":
            found: dict[str, Any] = {}
            self._map(node, place, found)
            return found
        items = []
        for number, each in enumerate(node.children):
            self._made.lines[(*place, number)] = each.line
            items.append(self.value(each, (*place, number)))
        return items

    def _alias(self, node: _Node, place: Place) -> Any:
        if id(node) in self._open:
            raise BadYaml("stands in itself, by an alias", node.line)
        self._open.add(id(node))
        self._aliases += 1
        found = self.value(node.value, place)
        self._aliases -= 1
        self._open.discard(id(node))
        return found

    def _map(self, node: _Node, place: Place, into: dict[str, Any]) -> None:
        own: set[str] = set()
        pairs = iter(node.children)
        for key, value in zip(pairs, pairs, strict=True):
            if key.kind == "scalar" and key.value == "<<" and (key.plain or key.tag == "!!merge"):
                self._merge(value, place, into)
                continue
            name = self._name(key)
            here = (*place, name)
            if name in own:
                self._made.repeated.append((here, key.line))
            if name in into:
                self._forget(here)
            own.add(name)
            self._made.lines[here] = key.line
            into[name] = self.value(value, here)

    def _merge(self, node: _Node, place: Place, into: dict[str, Any]) -> None:
        """Put a map's values in, over those that are there; of a list the first counts most."""
        for each in reversed(node.children) if node.kind == "list" else [node]:
            found = each.value if each.kind == "alias" else each
            if found.kind != "map":
                raise BadYaml("merges what is no map", each.line)
            if id(found) in self._open:
                raise BadYaml("stands in itself, by an alias", each.line)
            self._open.add(id(found))
            self._aliases += each.kind == "alias"
            self._count += 1
            self._map(found, place, into)
            self._aliases -= each.kind == "alias"
            self._open.discard(id(found))

    def _name(self, key: _Node) -> str:
        found = key.value if key.kind == "alias" else key
        if found.kind != "scalar":
            raise BadYaml("a map or a list as a name", key.line)
        name = _resolved(found)
        if name is None or (isinstance(name, int) and name >= INT64):
            raise BadYaml("nothing, or too large a number, as a name", key.line)
        if isinstance(name, bool):
            return "true" if name else "false"
        return _short(name) if isinstance(name, float) else str(name)

    def _forget(self, place: Place) -> None:
        lines = self._made.lines
        for known in [each for each in lines if each[: len(place)] == place]:
            del lines[known]


def resolve(text: str) -> Any:
    """Return what a text without quotes is: text, a number, a boolean or nothing."""
    if text in TRUE or text in FALSE:
        return text in TRUE
    if text in NULLS:
        return None
    if ENDLESS.fullmatch(text):
        return float(text.replace(".", ""))
    if text[0] == ".":
        return _float(text, text)
    if text[0] not in "+-0123456789" or _is_date(text):
        return text
    plain = text.replace("_", "")
    whole = _integer(plain)
    return _float(plain, text) if whole is None else whole


def _integer(plain: str) -> int | None:
    found = INTEGER.fullmatch(plain)
    if not found:
        return None
    sign, *digits = found.groups()
    number = next(int(d, base) for d, base in zip(digits, (16, 2, 8, 10), strict=True) if d)
    number = -number if sign == "-" else number
    return number if -INT64 <= number < (INT64 if sign else UINT64) else None


def _float(plain: str, text: str) -> Any:
    """Return the number, the text where it is none or one too large."""
    number = float(plain) if FLOAT.fullmatch(plain) else math.inf
    return number if math.isfinite(number) else text


def _is_date(text: str) -> bool:
    """Whether Go takes a text for a date, which it gives back as the text that it is."""
    return bool(DATE.fullmatch(text)) and len(text) > 7


def _resolved(node: _Node) -> Any:
    tag, text = node.tag, node.value
    if tag == "!!binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            raise BadYaml("not base64, as its tag says", node.line) from None
    if tag in ("!!str", "") and (tag or not node.plain):
        return text
    if tag not in ("", "!!bool", "!!int", "!!float", "!!null", "!!timestamp"):
        return text
    found = resolve(text)
    kinds = {"!!bool": bool, "!!int": int, "!!float": float, "!!null": type(None)}
    if tag == "!!float" and type(found) is int:
        return float(found)
    if tag in kinds and type(found) is not kinds[tag]:
        raise BadYaml("not what its tag says", node.line)
    if tag == "!!timestamp" and not _is_date(text):
        raise BadYaml("not what its tag says", node.line)
    return found


def _finite(value: Any, line: int) -> Any:
    """Return a value as it comes through JSON, where every number is a float of 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise BadYaml("endless, or no number", line)
    return int(number) if number.is_integer() else number


def _short(number: float) -> str:
    """Return a number that is a name: with as few digits as tell it from others of 32 bits."""
    if not math.isfinite(number):
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(number), ".nan")

    def single(value: float) -> Any:
        try:
            return struct.pack("f", value)
        except OverflowError:
            return None

    digits = next((n for n in range(9) if single(float(f"{number:.{n}e}")) == single(number)), 8)
    shown = f"{number:.{digits}e}"
    exponent = int(shown.partition("e")[2])
    if exponent < -4 or exponent >= 6:
        return shown
    return f"{number:.{max(0, digits - exponent)}f}"


def needs_quotes(text: str) -> bool:
    """Whether a text without quotes would be something else to any reader of YAML 1.1 or 1.2."""
    return (
        not isinstance(resolve(text) if text else None, str)
        or _is_date(text)
        or bool(ELSEWHERE.fullmatch(text))
        or not text.isprintable()
        or text != text.strip()
    )


def quoted(data: Any) -> Any:
    """Return data for ruamel.yaml to write: names and texts in quotes where they need them."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(data, dict):
        return {quoted(key): quoted(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [quoted(each) for each in data]
    if isinstance(data, str) and needs_quotes(data):
        return DoubleQuotedScalarString(data)
    return data


def dump(data: Any) -> str:
    """Return data as YAML that comes back as the same through every reader."""
    from ruamel.yaml import YAML

    writer, text = YAML(), io.StringIO()
    writer.width = 1_000_000
    writer.representer.ignore_aliases = lambda _: True
    writer.dump(quoted(data), text)
    return text.getvalue()
