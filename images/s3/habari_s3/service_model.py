"""The operations of S3, IAM and STS as botocore's model has them, and which one a request is.

The model says how an operation is told from others, and which parameters, headers and body it has.
A request that has anything else is none of its operations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape, StructureShape

from habari_s3.responses import S3Error

METADATA = "x-amz-meta-"
# How values of a model's types are written in parameters and headers.
WRITTEN = {
    "integer": re.compile(r"[0-9]{1,10}"),
    "long": re.compile(r"[0-9]{1,15}"),
    "boolean": re.compile(r"true|false", re.IGNORECASE),
    # RFC 9110, "Date/Time Formats", and ISO 8601
    "timestamp": re.compile(
        r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|[0-9:.TZ+-]+", re.ASCII
    ),
}


@dataclass(frozen=True)
class Operation:
    """One operation of a REST service.

    `markers`: parameters that name the operation → their value, "" for none. `required`: the other
    parameters and headers that it can't do without. `body`: the shape of its body, None for none.
    """

    name: str
    method: str
    path: str
    markers: Mapping[str, str]
    parameters: Mapping[str, Shape] = field(repr=False)
    headers: Mapping[str, Shape] = field(repr=False)
    metadata: bool
    required: frozenset[str]
    body: Shape | None = field(repr=False)

    def fits(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Whether a request of this method and path, with these, can be this operation."""
        return (
            all(parameters.get(name) == value for name, value in self.markers.items())
            and parameters.keys() <= self.markers.keys() | self.parameters.keys()
            and all(parameters.get(name) or headers.get(name) for name in self.required)
        )

    def takes_header(self, name: str) -> bool:
        """Whether the header, in lower case, means something to this operation."""
        return name in self.headers or (self.metadata and name.startswith(METADATA))


@cache
def model(service: str) -> ServiceModel:
    """Return botocore's model of a service, without its documentation, which is most of it."""
    return ServiceModel(_undocumented(Loader().load_service_model(service, "service-2")), service)


@cache
def operations() -> Mapping[tuple[str, str], tuple[Operation, ...]]:
    """Return S3's operations by method and path ("/", "/{Bucket}", "/{Bucket}/{Key+}").

    The more an operation needs, the earlier it is.
    """
    found: dict[tuple[str, str], list[Operation]] = {}
    s3 = model("s3")
    for name in s3.operation_names:
        if not s3.operation_model(name).deprecated:
            one = _operation(s3, name)
            found.setdefault((one.method, one.path), []).append(one)
    order = lambda one: -len(one.markers) - len(one.required)  # noqa: E731
    return {kind: tuple(sorted(each, key=order)) for kind, each in found.items()}


def find(
    method: str, path: str, parameters: Mapping[str, str], headers: Mapping[str, str]
) -> Operation:
    """Return the one operation that a request to S3 is.

    Raises:
        S3Error: it is none, or not one alone.
    """
    of_path = operations().get((method, path), ())
    named = parameters.get("x-id")
    parameters = {name: value for name, value in parameters.items() if name != "x-id"}
    for one in of_path:
        if one.fits(parameters, headers) and named in (None, one.name):
            return one
    if not of_path:
        raise S3Error(405, "MethodNotAllowed", f"{method} of {path} is nothing that S3 knows.")
    told = ", ".join(sorted(f"?{name[:60]}" for name in parameters)) or "no parameter"
    named_by = {name for one in of_path for name in one.markers} & parameters.keys()
    meant = [one.name for one in of_path if named_by & one.markers.keys()]
    of = f" ({', '.join(meant)})" if meant else ""
    raise S3Error(501, "NotImplemented", f"{method} of {path} with {told}{of}: not one operation.")


def check_value(kind: str, name: str, value: str, shape: Shape) -> None:
    """Refuse a value of a parameter or header that is not of its type.

    Raises:
        S3Error: it is not.
    """
    written = WRITTEN.get(shape.type_name)
    allowed: list[str] = getattr(shape, "enum", [])
    if (written and not written.fullmatch(value)) or (allowed and value not in allowed):
        expected = ", ".join(allowed[:12]) or shape.type_name
        raise S3Error(400, "InvalidArgument", f"{kind} {name}: {expected} was expected.")


def _operation(s3: ServiceModel, name: str) -> Operation:
    found = s3.operation_model(name)
    shape = found.input_shape
    members: Mapping[str, Any] = shape.members if isinstance(shape, StructureShape) else {}
    where = {key: member.serialization for key, member in members.items()}
    path, _, query = found.http["requestUri"].partition("?")
    payload = shape.serialization.get("payload") if shape else None
    needed: Iterable[str] = getattr(shape, "required_members", ())
    return Operation(
        name=name,
        method=found.http["method"],
        path=path,
        markers=dict(parse_qsl(query, keep_blank_values=True)),
        parameters=_at("querystring", members),
        headers={key.lower(): shape for key, shape in _at("header", members).items()},
        metadata=any(at.get("location") == "headers" for at in where.values()),
        required=frozenset(
            where[key]["name"].lower() if where[key]["location"] == "header" else where[key]["name"]
            for key in needed
            if where[key].get("location") in ("header", "querystring")
        ),
        body=members[payload] if payload else None,
    )


def _at(location: str, members: Mapping[str, Any]) -> dict[str, Shape]:
    found = [each for each in members.values() if each.serialization.get("location") == location]
    return {each.serialization["name"]: each for each in found}


def _undocumented(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _undocumented(v) for k, v in value.items() if k != "documentation"}
    return value
