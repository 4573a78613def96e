"""What `habari-local endpoints` prints is what its schema in the reference says."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from habari_local import modes
from habari_local.config.secrets import keep
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.platform.mode import Address, Context, Endpoints, S3Endpoint
from tests.checkouts import copy_locks
from tests.e2e import endpoints as suite
from tests.runnable_modes import here

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/endpoints.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


@pytest.fixture(params=here())
def printed(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What a mode would print once its buckets have a key."""
    checkout = Checkout(copy_locks(tmp_path))
    key = {"s3_access_key_id": "AKIAEXAMPLE", "s3_secret_access_key": "example-secret-key"}
    key |= {f"{request.param}_{name}": value for name, value in key.items()}  # each has its own S3
    secrets = keep(checkout.state, key)
    settings = Settings.model_validate({"s3_backend": "moto"})  # as `active` settles what is auto
    ctx = Context(checkout, settings, secrets, {"PATH": "/usr/bin:/bin"})
    data: dict[str, Any] = json.loads(json.dumps(modes.get(request.param).endpoints(ctx).as_json()))
    return data


def test_what_a_mode_prints_fits(validator: Draft202012Validator, printed: dict[str, Any]) -> None:
    validator.validate(printed)


def test_the_suite_reads_what_a_mode_prints(printed: dict[str, Any]) -> None:
    assert suite.parse(json.dumps(printed), "a mode").mode == printed["mode"]


def test_every_field_is_described() -> None:
    properties = SCHEMA["properties"]
    assert set(properties) == {field.name for field in fields(Endpoints)}
    assert set(properties["s3"]["properties"]) == {field.name for field in fields(S3Endpoint)}
    address = properties["services"]["additionalProperties"]
    assert set(address["properties"]) == {field.name for field in fields(Address)}


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("schema",), 2),
        (("hub_url",), "http://127.0.0.1:8000"),
        (("s3", "endpoint_url"), "127.0.0.1:4566"),
        (("users", "allowed"), "grace"),
        (("services", "hub"), {"from_host": "http://127.0.0.1:8081"}),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_is_refused(
    validator: Draft202012Validator, printed: dict[str, Any], place: tuple[str, ...], wrong: object
) -> None:
    part = printed
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = wrong
    with pytest.raises(ValidationError):
        validator.validate(printed)
