"""The environment of process mode's services: of the checkout's making, whatever shell calls `up`.

A service whose environment differs is another service, and restarts. So nothing is taken from the
caller but how this machine reaches the network, and that once: what the platform was first started
with holds until it is down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from habari_local.config.secrets import write_changed
from habari_local.platform.mode import Context

NAME = "process"
# Programs of the machine and, on macOS, of Homebrew; never those of a virtual environment.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
# A company's proxies and certificates: without them hub and servers reach neither GitHub nor AWS.
NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",
)


def of_service(ctx: Context) -> dict[str, str]:
    """Return what every service gets, before what is its own."""
    local = "localhost,127.0.0.1"
    return {
        **network(ctx),
        "PATH": PATH,
        "HOME": str(ctx.checkout.root / ".habari" / NAME),
        "LANG": "C.UTF-8",
        "NO_PROXY": local,
        "no_proxy": local,
        "PYTHONUNBUFFERED": "1",
    }


def network(ctx: Context) -> Mapping[str, str]:
    """Return how the platform reaches the network: as it was started, else as the caller.

    A file that can't be read counts as none: an `up` that finds nothing running writes it.
    """
    try:
        kept = json.loads(_file(ctx).read_text(encoding="utf-8"))
        return {name: str(kept[name]) for name in NETWORK if name in kept}
    except (OSError, ValueError, TypeError):
        return {name: ctx.environ[name] for name in NETWORK if ctx.environ.get(name)}


def remember_network(ctx: Context) -> None:
    """Keep how the caller reaches the network, privately: a proxy's URL may have a password."""
    found = {name: ctx.environ[name] for name in NETWORK if ctx.environ.get(name)}
    ctx.checkout.of_mode(NAME)
    write_changed(_file(ctx), json.dumps(found, indent=1) + "\n")


def forget_network(ctx: Context) -> None:
    """Drop it: the next `up` takes its caller's."""
    _file(ctx).unlink(missing_ok=True)


def is_network_remembered(ctx: Context) -> bool:
    """Whether a running platform has written down what it was started with."""
    return _file(ctx).is_file()


def _file(ctx: Context) -> Path:
    return ctx.checkout.root / ".habari" / NAME / "network.json"
