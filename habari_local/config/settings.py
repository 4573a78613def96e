"""The settings: one frozen typed model, each with its default and the comment that users read."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from habari_local.core.versions import pinned

# As GitHub gives them: to Enterprise Managed Users (octo_corp), and once also `foo-` and `a--b`.
GITHUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,38}")
# Where the proxy shows the fake GitHub, at the address that people open.
FAKE_GITHUB_PATH = "/fake-github"
DEBIAN_MIRROR = "http://deb.debian.org/debian"
BUCKET_NAME = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))
    wrong = [name for name in names if not GITHUB_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)} can't be a GitHub name (up to 39 letters, digits, - and _)"
        )
    return names


def _words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Port = Annotated[int, Field(ge=1024, le=65535)]


def setting(default: Any, section: str, comment: str, **more: Any) -> Any:
    """Declare a setting: its default, the section of .env.dist it stands in, its comment."""
    return Field(default, description=comment, json_schema_extra={"section": section}, **more)


class Settings(BaseModel):
    """Every setting; the variable's name is `variable(field)`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mode: str = setting(
        "process",
        "Platform",
        "The mode that `up` starts without --mode; see the README's table.",
    )
    project_path: str = setting(
        "./project",
        "Platform",
        "Folder on this machine that users' servers see as project/; created if missing.",
        alias="PROJECT_PATH",
    )
    seed: str = setting(
        "",
        "Platform",
        "Folder with lake/, notebooks/ or homes/USER/ that `up` puts there; empty: nothing.",
    )
    cull_after: int = setting(
        0, "Platform", "Stop servers that are idle for this many seconds; 0: never.", ge=0
    )

    admin_users: Names = setting(
        ("ada",), "Sign-in", "GitHub names of the admins, comma-separated."
    )
    allowed_users: Names = setting(
        ("grace", "linus"), "Sign-in", "GitHub names that may sign in, comma-separated."
    )
    allowed_organizations: Names = setting(
        (), "Sign-in", "GitHub organizations whose members may sign in, comma-separated."
    )
    github_client_id: str = setting(
        "",
        "Sign-in",
        "Client id of a GitHub OAuth app; empty: a fake GitHub on this machine."
        " The app's callback is http://localhost:8000/hub/oauth_callback.",
    )
    github_client_secret: SecretStr = setting(SecretStr(""), "Sign-in", "Its client secret.")

    server_memory: str = setting(
        "2G",
        "Servers",
        "Memory limit of a user's server, in the modes with containers; empty: no limit.",
        pattern=r"^(\d+[KMGT])?$",
    )
    server_cpus: float = setting(
        0.0, "Servers", "CPU limit of a user's server there; 0: no limit.", ge=0
    )

    images: Literal["upstream", "packages"] = setting(
        "upstream",
        "Images",
        "upstream: base images come from their registries; packages: everything is built from"
        " Debian, PyPI and npm packages, without a container registry.",
    )
    image_mirror: str = setting(
        "",
        "Images",
        "A mirror that images come from: HOST[:PORT][/PATH], put before"
        " each upstream reference (HOST/PATH/docker.io/library/registry:2), the chart's too;"
        " empty: no mirror.",
        pattern=r"^([a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*)?$",
    )
    debian_mirror: str = setting(
        DEBIAN_MIRROR, "Images", "Where images get Debian's packages.", pattern=r"^https?://\S+$"
    )
    notebook_image: str = setting(
        "", "Images", "Image of users' servers; empty: the one built from jupyter/."
    )

    chart: str = setting(
        "",
        "Kubernetes",
        "Zero to JupyterHub's chart: a folder or an archive; empty:"
        f" jupyterhub {pinned('chart')} of"
        " https://hub.jupyter.org/helm-chart/, downloaded once.",
    )
    kube_context: str = setting(
        "",
        "Kubernetes",
        "Mode cluster: the kubeconfig context to use; the current one is never used unasked.",
    )
    kube_namespace: str = setting(
        "habari",
        "Kubernetes",
        "Mode cluster: the namespace.",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
    )
    tenant: str = setting(
        "",
        "Kubernetes",
        "Mode cluster: the tenant to deploy, a folder in tenants/; empty: none.",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$",
    )
    values_from: Words = setting(
        (),
        "Kubernetes",
        "Mode cluster: values from environment variables, such as secrets in CI:"
        " PLACE=VARIABLE, comma-separated:"
        " hub.config.GitHubOAuthenticator.client_secret=OAUTH_SECRET.",
    )
    waived_rules: Words = setting(
        (),
        "Kubernetes",
        "Modes cluster and kind: rules of `config check` that this deployment may break,"
        " comma-separated: fake-github, callback, tls and s3 in a test cluster.",
    )

    nodes: int = setting(1, "Kubernetes", "Mode kind: number of nodes.", ge=1, le=9)
    policy_enforcer: Literal["auto", "habari", "node"] = setting(
        "auto",
        "Kubernetes",
        "Mode kind: what enforces NetworkPolicies. node: what the node has; habari: our own pod on"
        " each node; auto: habari with upstream's node, which does not keep pods from"
        " the node itself; node with HABARI_IMAGES=packages, whose enforcement does.",
    )

    s3_backend: Literal["auto", "moto", "localstack", "aws"] = setting(
        "auto",
        "S3",
        f"moto: fast, on this machine; localstack: {pinned('s3', 'localstack')}, on this machine;"
        " aws: real AWS, or any S3"
        " whose endpoint and keys are set below; auto: localstack in the modes hub and kind, aws"
        " in cluster, moto in the others.",
    )
    s3_region: str = setting("us-east-1", "S3", "Region of the buckets.", pattern=r"^[a-z0-9-]+$")
    s3_endpoint_url: str = setting(
        "", "S3", "Backend aws: the endpoint, of another S3 than AWS.", pattern=r"^(https?://\S+)?$"
    )
    s3_access_key_id: str = setting("", "S3", "Backend aws: the access key.")
    s3_secret_access_key: SecretStr = setting(SecretStr(""), "S3", "Backend aws: the secret key.")
    lake_bucket: str = setting(
        "habari-lake", "S3", "Bucket that users see as lake/.", pattern=BUCKET_NAME
    )
    notebooks_bucket: str = setting(
        "habari-notebooks", "S3", "Bucket that users see as notebooks/.", pattern=BUCKET_NAME
    )

    hub_port: Port = setting(8000, "Ports", "The address that users open: http://localhost:8000.")
    proxy_api_port: Port = setting(8001, "Ports", "The proxy's API, for the hub alone.")
    hub_api_port: Port = setting(8081, "Ports", "The hub behind the proxy.")
    dashboard_port: Port = setting(8082, "Ports", "Mode process: the dashboard behind the proxy.")
    github_port: Port = setting(8008, "Ports", "The fake GitHub.")
    s3_port: Port = setting(4566, "Ports", "S3, if it runs on this machine.")
    notebook_port: Port = setting(8888, "Ports", "The one notebook server of mode nohub.")
    registry_port: Port = setting(5001, "Ports", "Mode kind: the registry.")
    port_offset: int = setting(
        0,
        "Ports",
        "Added to every port, so that a second checkout can run at the same time.",
        ge=0,
        le=9999,
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        problems = [*self._sign_in_problems(), *self._s3_problems(), *self._port_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _sign_in_problems(self) -> list[str]:
        problems = []
        if bool(self.github_client_id) != bool(self.github_client_secret.get_secret_value()):
            problems.append(
                "HABARI_GITHUB_CLIENT_ID and HABARI_GITHUB_CLIENT_SECRET go together:"
                " one is set, the other is empty"
            )
        if not (self.admin_users or self.allowed_users or self.allowed_organizations):
            problems.append(
                "HABARI_ADMIN_USERS, HABARI_ALLOWED_USERS and HABARI_ALLOWED_ORGANIZATIONS are all"
                " empty: nobody could sign in"
            )
        return problems

    def _s3_problems(self) -> list[str]:
        problems = []
        keys = bool(self.s3_access_key_id) and bool(self.s3_secret_access_key.get_secret_value())
        if self.s3_backend == "aws" and not keys:
            problems.append(
                "HABARI_S3_BACKEND=aws needs HABARI_S3_ACCESS_KEY_ID and"
                " HABARI_S3_SECRET_ACCESS_KEY"
            )
        if self.lake_bucket == self.notebooks_bucket:
            problems.append("HABARI_LAKE_BUCKET and HABARI_NOTEBOOKS_BUCKET are the same bucket")
        return problems

    def _port_problems(self) -> list[str]:
        names: dict[int, list[str]] = {}
        for field in type(self).model_fields:
            if field.endswith("_port"):
                names.setdefault(getattr(self, field), []).append(variable(field))
        problems = [
            f"{' and '.join(same)} are the same port, {port}"
            for port, same in names.items()
            if len(same) > 1
        ]
        if max(names) + self.port_offset > 65535:
            problems.append(f"HABARI_PORT_OFFSET={self.port_offset} lifts a port above 65535")
        return problems

    def port(self, name: str) -> int:
        """Return the port of the setting `name`_port, offset included."""
        return int(getattr(self, f"{name}_port")) + self.port_offset

    @property
    def real_github(self) -> bool:
        """Whether people sign in at github.com rather than at the fake GitHub."""
        return bool(self.github_client_id)


def variable(field: str) -> str:
    """Return the environment variable of a field: HABARI_ and its name, or its alias."""
    return Settings.model_fields[field].alias or f"HABARI_{field.upper()}"


def fields_by_variable() -> dict[str, str]:
    """Map every variable to its field, in the order of the model."""
    return {variable(field): field for field in Settings.model_fields}
