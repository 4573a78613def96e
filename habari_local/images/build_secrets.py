"""What a build needs of this machine and must not keep: its CA bundle and its package mirrors."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Mapping
from pathlib import Path

CA = "/run/secrets/ca"
TRUSTING = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PASSED_ON = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "NPM_CONFIG_REGISTRY",
    "GOPROXY",
)
# Docker knows these as build arguments that it keeps out of the image's history.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def ca_bundle(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the certificates that this machine trusts, if there is one."""
    named = [environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    system = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    return next((Path(each) for each in [*named, *system] if each and Path(each).is_file()), None)


def script(environ: Mapping[str, str], home: Path, *, ca: bool) -> str:
    """Return the shell lines that a build step sources: mirrors, and where the CA bundle is."""
    values = dict.fromkeys(TRUSTING, CA) if ca else {}
    values |= _configured(home)
    values |= {name: environ[name] for name in PASSED_ON if environ.get(name)}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _configured(home: Path) -> dict[str, str]:
    """Return the mirrors that pip's and npm's own files name, the person's before the machine's."""
    values: dict[str, str] = {}
    for path in (Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"):
        parser = configparser.RawConfigParser()
        parser.read(path)
        for key in ("index-url", "extra-index-url", "trusted-host"):
            if parser.has_option("global", key):
                values[f"PIP_{key.replace('-', '_').upper()}"] = parser.get("global", key)
    for path in (Path("/etc/npmrc"), home / ".npmrc"):
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            key, _, value = line.partition("=")
            if key.strip() == "registry":
                values["NPM_CONFIG_REGISTRY"] = value.strip()
    return values
