"""The endpoints of the deployment under test: all that this suite may know of it.

The source is JSON of schema 1, as `habari-local endpoints` prints it. Fields that this suite
doesn't know are ignored, so that the schema can grow; a missing or wrong one is reported, and all
of them at once.
"""

import os
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

ENVIRONMENT_VARIABLE = "HABARI_ENDPOINTS_FILE"


class _Part(BaseModel):
    """What all parts have in common: they don't change, and they may grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class S3(_Part):
    """The S3 service with the key that the notebook servers have too (never the root key).

    `endpoint_url` is None for AWS itself.
    """

    endpoint_url: str | None
    region: str
    access_key_id: SecretStr
    secret_access_key: SecretStr
    lake_bucket: str
    notebooks_bucket: str


class Users(_Part):
    """Login names by what the hub should do with them."""

    admin: tuple[str, ...] = Field(min_length=1)
    allowed: tuple[str, ...] = Field(min_length=2)
    denied: tuple[str, ...] = ()


class GitHub(_Part):
    """The fake GitHub; `control_token` opens its fault injection."""

    url: str
    control_token: SecretStr | None = None


class Service(_Part):
    """One service and its two addresses; `log_file` is readable from here, or None."""

    from_host: str | None = None
    from_notebook: str | None = None
    log_file: Path | None = None


class Kubernetes(_Part):
    """The cluster it runs in: what opens it, where the deployment is, what enforces policies."""

    kubeconfig: Path
    context: str
    namespace: str
    enforcer: Literal["habari", "node"] | None = None


class Endpoints(_Part):
    """One deployment. `project_path`: the folder on this machine that servers see as `project/`.

    Without a hub, `hub_url` is the address of the one server and `hub_api_token` opens it.
    """

    schema_version: Literal[1] = Field(alias="schema")
    mode: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    hub_url: HttpUrl
    hub_api_token: SecretStr
    s3: S3
    users: Users
    github: GitHub | None
    services: dict[str, Service] = {}
    project_path: Path | None = None
    kubernetes: Kubernetes | None = None
    lab: bool = True
    images: dict[str, str] = {}  # what runs, by service; in a cluster its pods tell
    has_hub: bool = Field(default=True, alias="hub")

    @property
    def hub(self) -> str:
        """The hub's address without a slash at its end."""
        return str(self.hub_url).rstrip("/")

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for what must not show them."""
        found = [self.hub_api_token, self.s3.access_key_id, self.s3.secret_access_key]
        if self.github and self.github.control_token:
            found.append(self.github.control_token)
        return tuple(secret.get_secret_value() for secret in found)


def source_of(option: str | None) -> str | None:
    """Where the endpoints come from: the option, else the environment, else None."""
    return option or os.environ.get(ENVIRONMENT_VARIABLE) or None


def parse(text: str, source: str) -> Endpoints:
    """Read endpoints from JSON; raises pytest.UsageError that names every wrong field."""
    try:
        return Endpoints.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'the text'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise pytest.UsageError(
            f"Endpoints: {source} is not what schema 1 expects ({wrong}).\n"
            "Try: habari-local endpoints"
        ) from None


def read(source: str, config: pytest.Config) -> Endpoints:
    """Read endpoints from a file, or from standard input when *source* is `-`."""
    if source == "-":
        return parse(_read_standard_input(config), "standard input")
    try:
        text = Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise pytest.UsageError(
            f"Endpoints: {source} can't be read ({error.strerror}), expected JSON of schema 1.\n"
            f"Try: habari-local endpoints > {source}"
        ) from None
    return parse(text, source)


def _read_standard_input(config: pytest.Config) -> str:
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return sys.stdin.read()
    capture.suspend_global_capture(in_=True)  # pytest replaces standard input by an empty one
    try:
        return sys.stdin.read()
    finally:
        capture.resume_global_capture()
