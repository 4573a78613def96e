"""HTTP as a browser does it: a cookie jar per person, XSRF tokens, forms, bounded requests."""

import os
import time
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests

from .waiting import PATIENCE

REQUEST_SECONDS = 30.0 * PATIENCE
# The proxy closes a connection that idles for five seconds; a request that it meets is lost.
IDLE_SECONDS = 3.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def past_proxies() -> None:
    """Have all that heeds the proxies of the environment, as websockets do, know the same."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join([*filter(None, [os.environ.get(name)]), *sorted(_LOOPBACK)])


class Web(requests.Session):
    """A session that bounds every request and stays away from proxies on this machine."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        # Proxies of the environment are for the outside: loopback addresses don't exist there.
        self.trust_env = urlsplit(base_url).hostname not in _LOOPBACK
        self._used = time.monotonic()

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> Any:
        """Send a request; *url* may be a path on the base address. Raises requests' errors."""
        kwargs.setdefault("timeout", REQUEST_SECONDS)
        if time.monotonic() > self._used + IDLE_SECONDS:
            self.close()  # the connections; the next request opens one
        try:
            return super().request(method, urljoin(self.base_url, str(url)), *args, **kwargs)
        finally:
            self._used = time.monotonic()

    def xsrf(self, path: str) -> dict[str, str]:
        """The header that proves a change under *path* comes from a page of this session."""
        tokens = [cookie for cookie in self.cookies if cookie.name == "_xsrf"]
        fitting = [cookie for cookie in tokens if path.startswith(cookie.path)]
        if not fitting:
            return {}
        token = max(fitting, key=lambda cookie: len(cookie.path)).value
        return {"X-XSRFToken": token or ""}

    def cookie_header(self, url: str) -> str:
        """The Cookie header that this session sends to *url*, for a websocket."""
        request = self.prepare_request(requests.Request("GET", url))
        return request.headers.get("Cookie", "")


def quoted(path: str) -> str:
    """A path of files as part of a URL: all is escaped but the slashes."""
    return quote(path, safe="/")


class Form(HTMLParser):
    """The first form of a page with the field *field*: its action and its hidden fields."""

    def __init__(self, page: str, field: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}
        self._field = field
        self._found = False
        self._done = False
        self.feed(page)

    @property
    def found(self) -> bool:
        """Whether the page has such a form."""
        return self._found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read the forms and inputs until the wanted form ends."""
        if self._done:
            return
        attributes = dict(attrs)
        if tag == "form":
            self.action, self.hidden = attributes.get("action"), {}
        elif tag == "input" and attributes.get("name"):
            name = str(attributes["name"])
            if attributes.get("type") == "hidden":
                self.hidden[name] = attributes.get("value") or ""
            self._found = self._found or name == self._field

    def handle_endtag(self, tag: str) -> None:
        """End with the form that has the field."""
        self._done = self._done or (tag == "form" and self._found)


class _Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.targets.append(target)


class _Text(HTMLParser):
    _UNSEEN = frozenset({"script", "style", "head"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._unseen = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in self._UNSEEN

    def handle_data(self, data: str) -> None:
        if not self._unseen and data.strip():
            self.parts.append(data.strip())


def links(page: str) -> list[str]:
    """The targets of a page's links, in their order."""
    return _Links(page).targets


def visible_text(page: str) -> str:
    """What a reader sees of a page, as one line."""
    return " ".join(" ".join(_Text(page).parts).split())
