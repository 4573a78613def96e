"""What a person's browser does at the hub, with its cookies, redirects and XSRF tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from rig import Rig


class Browser(requests.Session):
    """One person's browser, signed in or not."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig, self.url = rig, rig.url

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", 70)
        address = url if str(url).startswith("http") else f"{self.url}{url}"
        return super().request(method, address, *args, **kwargs)

    def sign_in(self, login: str) -> requests.Response:
        """Sign in by the form; return the page that this ends at."""
        page = self.get("/hub/oauth_login?next=/hub/home")
        assert "<input id=login name=login" in page.text, page.text
        return self.post(page.url, data={"login": login})

    def callback(self, login: str, **changes: str) -> str:
        """Sign in at GitHub alone; return the address that GitHub sends the browser to."""
        page = self.get("/hub/oauth_login?next=/hub/home")
        query = {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}
        address = page.url.partition("?")[0]
        form = {"login": login}
        answer = self.post(address, params=query | changes, data=form, allow_redirects=False)
        return answer.headers["Location"]

    def signed_in(self) -> bool:
        page = self.get("/hub/home", allow_redirects=False)
        return page.status_code == 200

    def api(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Use the hub's API as its own pages do."""
        xsrf = self.cookies.get("_xsrf", path="/hub/") or ""
        return self.request(method, f"/hub/api{path}", headers={"X-XSRFToken": xsrf}, **kwargs)

    def start_server(self, user: str) -> None:
        """Start a user's server, and wait until it is ready."""
        self.rig.await_server(user, self.api("POST", f"/users/{user}/server"))

    def open_server(self, user: str) -> requests.Response:
        """Go to a server as a person does (it asks the hub who they are); list its files."""
        self.get(f"/user/{user}/files/")
        return self.get(f"/user/{user}/api/contents")


def signed_in(rig: Rig, login: str) -> Browser:
    browser = Browser(rig)
    page = browser.sign_in(login)
    assert page.status_code == 200, page.text
    assert page.url == f"{rig.url}/hub/home"
    return browser
