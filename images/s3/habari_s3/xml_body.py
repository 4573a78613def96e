"""XML bodies: taken apart by the operation's shape in botocore's model, and built anew.

What the shape does not have is refused, as AWS does (MalformedXML).
"""

from __future__ import annotations

import re
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from botocore.model import ListShape, Shape, StructureShape

from habari_s3.responses import S3Error

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
TYPES = {
    "integer": re.compile(r"-?[0-9]{1,10}"),
    "long": re.compile(r"-?[0-9]{1,15}"),
    "boolean": re.compile(r"true|false", re.IGNORECASE),
    "timestamp": re.compile(r"[0-9:.TZ+-]+"),
}


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, *_: object) -> NoReturn:
        """Refuse entities of the client's own, and what else a document type may say."""
        raise _malformed("a document type")


def parse(body: bytes, shape: Shape) -> Any:
    """Return what an XML body says: dictionaries by element, lists, and text.

    Raises:
        S3Error: it is no XML, or none of this shape.
    """
    parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314 (no document types, so no entities)
    try:
        parser.feed(body)
        root = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise _malformed(str(error)) from error
    expected = shape.serialization.get("name", shape.name)
    if _local(root) != expected:
        raise _malformed(f"{_local(root)[:60]}, {expected} was expected")
    return _read(root, shape)


def build(value: Any, shape: Shape) -> bytes:
    """Return the XML of what `parse` returned."""
    return _write(shape.serialization.get("name", shape.name), value, shape).encode()


def _read(node: ElementTree.Element, shape: Shape) -> Any:
    if not isinstance(shape, StructureShape):
        return _text(node, shape)
    names = {_name(member, key): (key, member) for key, member in shape.members.items()}
    attributes = {key for key, m in shape.members.items() if m.serialization.get("xmlAttribute")}
    found: dict[str, Any] = {}
    for child in node:
        name = _local(child)
        if name not in names or names[name][0] in attributes:
            raise _malformed(f"{name[:60]} in {_local(node)}")
        key, member = names[name]
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            found.setdefault(key, []).append(_read(child, member.member))
            continue
        if key in found:
            raise _malformed(f"{name} twice in {_local(node)}")
        found[key] = _list(child, member) if isinstance(member, ListShape) else _read(child, member)
    for key in attributes:
        value = node.get(XSI + "type")
        if value is not None:
            found[key] = value
    return found


def _list(node: ElementTree.Element, shape: ListShape) -> list[Any]:
    name = shape.member.serialization.get("name", "member")
    if any(_local(child) != name for child in node):
        raise _malformed(f"another element than {name} in {_local(node)}")
    return [_read(child, shape.member) for child in node]


def _text(node: ElementTree.Element, shape: Shape) -> str:
    text = node.text or ""
    written = TYPES.get(shape.type_name)
    if len(node) or (written and not written.fullmatch(text)):
        raise _malformed(f"{_local(node)} is not of type {shape.type_name}")
    return text


def _write(name: str, value: Any, shape: Shape) -> str:
    if not isinstance(shape, StructureShape):
        return f"<{name}>{_escaped(value)}</{name}>"
    attributes, parts = "", []
    for key, item in value.items():
        member = shape.members[key]
        named = _name(member, key)
        if member.serialization.get("xmlAttribute"):
            attributes = f' xmlns:xsi="{XSI[1:-1]}" xsi:type={quoteattr(item)}'
        elif isinstance(member, ListShape):
            flat = bool(member.serialization.get("flattened"))
            inner = named if flat else member.member.serialization.get("name", "member")
            text = "".join(_write(inner, each, member.member) for each in item)
            parts.append(text if flat else f"<{named}>{text}</{named}>")
        else:
            parts.append(_write(named, item, member))
    return f"<{name}{attributes}>{''.join(parts)}</{name}>"


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})  # as it is, a reader would take it for a line's end


def _name(member: Shape, key: str) -> str:
    """Return the element of a member; a flattened list may have it on what is in the list."""
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        return str(
            member.serialization.get("name") or member.member.serialization.get("name") or key
        )
    return str(member.serialization.get("name", key))


def _local(node: ElementTree.Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _malformed(what: str) -> S3Error:
    return S3Error(400, "MalformedXML", f"The body is not the XML of this operation: {what}.")
