"""Signing in as a person does: the hub's page, GitHub's form, the way back.

The steps are separate, so that a check can forge what lies between them. Protocol: OAuth 2.0
authorization code (RFC 6749, section 4.1) as GitHub serves it.
"""

from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests

from .endpoints import Endpoints
from .web import Form, Web, links, visible_text


class SignInError(Exception):
    """A step of the sign-in had another answer than expected."""


class SignIn:
    """One sign-in under way, in the cookie jar of one browser (*web*)."""

    def __init__(self, endpoints: Endpoints, web: Web | None = None) -> None:
        self.endpoints = endpoints
        self.web = web or Web(endpoints.hub)
        self._page: requests.Response | None = None

    def begin(self, next_page: str = "/hub/home") -> requests.Response:
        """Go from the hub's login page to GitHub's form; raises SignInError without a form."""
        hub = self.endpoints.hub
        page = self.web.get(f"{hub}/hub/login?{urlencode({'next': next_page})}")
        if urlsplit(page.url).netloc == urlsplit(hub).netloc:
            ways = [link for link in links(page.text) if "oauth_login" in link]
            if not ways:
                raise SignInError(f"Sign-in: no link to GitHub on {page.url}, expected one.")
            page = self.web.get(urljoin(page.url, ways[0]))
        if not Form(page.text, "login").found:
            raise SignInError(
                f"Sign-in: {urlsplit(page.url).path} answered {page.status_code} without a form, "
                f"expected GitHub's form with the field login ({visible_text(page.text)[:200]})."
            )
        self._page = page
        return page

    def grant(self, login: str) -> str:
        """Fill GitHub's form in; returns the address GitHub sends the browser to, not followed."""
        if self._page is None:
            self.begin()
        assert self._page is not None
        form = Form(self._page.text, "login")
        answer = self.web.post(
            urljoin(self._page.url, form.action or self._page.url),
            data={**form.hidden, "login": login},
            allow_redirects=False,
        )
        way_back = answer.headers.get("Location", "")
        if answer.status_code not in {302, 303} or "code" not in parse_qs(urlsplit(way_back).query):
            raise SignInError(
                f"Sign-in: GitHub's form answered {answer.status_code}, expected a redirect with a "
                f"code ({visible_text(answer.text)[:200]})."
            )
        return urljoin(answer.url, way_back)

    def finish(self, way_back: str) -> requests.Response:
        """Follow the way back to the hub and on to the page that it shows."""
        answer: requests.Response = self.web.get(way_back)
        return answer


def with_query(url: str, **changed: str) -> str:
    """*url* with these parameters of its query replaced."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return parts._replace(query=urlencode({**query, **changed})).geturl()


def query_of(url: str) -> dict[str, str]:
    """The parameters in *url*, the first value of each."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
