"""Name look-ups of the hub's HTTP client: each is made, none is remembered.

libcurl keeps what a look-up gave for a minute, and since 8.16 that it gave nothing for half of it:
as long as the hub waits for a server before it gives up (`http_timeout`). A server whose name was
asked for a moment too soon would then be removed, however well it answers.
"""

from __future__ import annotations

import importlib
from typing import Any


def disable_dns_cache() -> bool:
    """Have tornado's client on libcurl look each name up; return whether it is there at all.

    JupyterHub chooses that client by its name, after its configuration was read, so the class is
    told: tornado has no option for all requests (https://curl.se/libcurl/c/CURLOPT_DNS_CACHE_TIMEOUT.html).
    """
    try:
        pycurl = importlib.import_module("pycurl")
        client: Any = importlib.import_module("tornado.curl_httpclient").CurlAsyncHTTPClient
    except ImportError:
        return False
    set_up = client._curl_setup_request

    def forgetful(self: Any, handle: Any, *args: Any) -> None:
        # For each request: tornado resets a handle after it.
        set_up(self, handle, *args)
        handle.setopt(pycurl.DNS_CACHE_TIMEOUT, 0)

    if not getattr(set_up, "forgetful", False):
        forgetful.forgetful = True  # type: ignore[attr-defined]
        client._curl_setup_request = forgetful
    return True
