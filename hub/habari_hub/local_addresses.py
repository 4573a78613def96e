"""Sign-in at every local address of one machine; for the fake GitHub alone.

People open localhost, 127.0.0.1, [::1], or a port that ssh or an editor forwards under another
number. OAuth's state is in a cookie of that address, so the way back must end there too: GitHub's
page is a path of the hub's own address, and the callback is made from the request's own host, which
must be a local name. The text of this file is also what mode kind gives to the chart's hub
(hub.extraConfig): it needs JupyterHub alone.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from jupyterhub.utils import get_browser_protocol  # type: ignore[import-untyped]
from tornado.web import HTTPError

LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


def at_local_addresses(authenticator: Any) -> Any:
    """Return the class of OAuthenticator whose callback is where the browser is."""

    class LocalAuthenticator(authenticator):  # type: ignore[misc]
        def get_callback_url(self, handler: Any = None) -> str:
            """Return the callback at the request's own host; raises HTTPError 400 elsewhere."""
            if handler is None:
                return str(super().get_callback_url())
            host = handler.request.host
            if not is_local(host):
                usual = urlsplit(self.oauth_callback_url)
                raise HTTPError(
                    400,
                    "%s",
                    f"Sign-in: {host} is no address of this machine, so the fake GitHub signs"
                    f" nobody in there. Try: open {usual.scheme}://{usual.netloc}",
                )
            scheme = get_browser_protocol(handler.request)
            return f"{scheme}://{host}{handler.hub.base_url}oauth_callback"

    return LocalAuthenticator


def is_local(host: str) -> bool:
    """Whether a Host header names this machine, with any port."""
    try:
        return urlsplit(f"//{host}").hostname in LOCAL_NAMES
    except ValueError:
        return False
