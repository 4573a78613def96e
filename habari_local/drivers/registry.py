"""Container registries asked by themselves, without Docker: is an image there, for whom, how large.

Protocol: the OCI Distribution Specification 1.1 and the token authentication of
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.core.errors import HabariError
from habari_local.drivers.docker.images import WITHOUT

if TYPE_CHECKING:
    import requests

SECONDS = 4.0  # for one answer: whoever waits hears within five
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# Docker Hub's name in references, and where it answers.
HUB, HUB_ADDRESS = "docker.io", "registry-1.docker.io"
HUB_LOGIN = "https://index.docker.io/v1/"


class Refusal(HabariError):
    """A registry that has no such image, refuses or is out of reach.

    `answered` tells whether it said so itself.
    """

    answered = False


@dataclass(frozen=True)
class Offer:
    """What a registry has under a reference: `size` in bytes, compressed, for one platform."""

    digest: str
    platforms: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Name:
    """A reference, taken apart: `version` is its digest, else its tag."""

    registry: str
    repository: str
    version: str

    @property
    def address(self) -> str:
        """Host and port that answer for it."""
        return HUB_ADDRESS if self.registry == HUB else self.registry

    @property
    def local(self) -> bool:
        """Whether it is on this machine, where Docker asks without TLS."""
        return self.registry.partition(":")[0] in ("localhost", "127.0.0.1")


def parse(reference: str) -> Name:
    """Take REGISTRY/REPOSITORY[:TAG][@DIGEST] apart, as Docker does.

    >>> parse("python:3.13")
    Name(registry='docker.io', repository='library/python', version='3.13')
    """
    plain, _, digest = reference.partition("@")
    first, slash, rest = plain.partition("/")
    if not (slash and (first == "localhost" or "." in first or ":" in first)):
        first, rest = HUB, plain if slash else f"library/{plain}"
    path, _, tag = rest.partition(":")
    return Name(first, path, digest or tag or "latest")


def ask(reference: str, platform: str, ca: Path | None = None) -> Offer:
    """Ask a registry what it has under a reference, for `platform` as in linux/amd64.

    Credentials are those of `docker login` and of Docker's credential helpers.

    Raises:
        Refusal: it has none, refuses or is out of reach, in its own words.
    """
    import requests

    name = parse(reference)
    with requests.Session() as session:
        session.verify = str(ca) if ca else True
        try:
            found = _manifest(session, name, name.version)
            content = found.json()
            platforms, size = _of_platform(session, name, content, platform)
        except requests.RequestException as error:
            answered = getattr(error, "response", None) is not None
            raise _refused(reference, name, _reason(error), answered=answered) from error
        except ValueError as error:
            raise _refused(reference, name, "no manifest in its answer", answered=True) from error
    return Offer(found.headers.get("Docker-Content-Digest", ""), platforms, size)


class Inquiry:
    """One question beside something else; `refusal` is set when it was answered with no.

    `answered` tells whether the registry itself said so, rather than that nothing was heard.
    """

    def __init__(self, reference: str, ca: Path | None) -> None:
        self.refusal: Refusal | None = None
        self._asking = threading.Thread(target=self._ask, args=(reference, ca), daemon=True)

    def begin(self) -> None:
        """Ask, unless that was begun."""
        if self._asking.ident is None:
            self._asking.start()

    def wait(self) -> None:
        """Return when there is an answer, or after the time that one may take."""
        self._asking.join(SECONDS)

    @property
    def answered(self) -> bool:
        """Whether the refusal is the registry's own."""
        return self.refusal is not None and self.refusal.answered

    def _ask(self, reference: str, ca: Path | None) -> None:
        try:
            ask(reference, "linux/amd64", ca)
        except Refusal as refusal:
            self.refusal = refusal


def _of_platform(
    session: requests.Session, name: Name, content: Mapping[str, Any], platform: str
) -> tuple[tuple[str, ...], int]:
    """Return the platforms of a manifest or index, and the size of the one that is meant."""
    listed = content.get("manifests")
    if listed is None:
        config = _get(session, name, f"blobs/{content['config']['digest']}", ()).json()
        return (f"{config.get('os')}/{config.get('architecture')}",), _size(content)
    offered = {_platform(each.get("platform") or {}): each["digest"] for each in listed}
    offered.pop("unknown/unknown", None)  # attestations
    if platform not in offered:
        return tuple(offered), 0
    return tuple(offered), _size(_manifest(session, name, offered[platform]).json())


def _platform(of: Mapping[str, str]) -> str:
    return f"{of.get('os')}/{of.get('architecture')}"


def _size(manifest: Mapping[str, Any]) -> int:
    return sum(int(each["size"]) for each in (manifest["config"], *manifest["layers"]))


def _manifest(session: requests.Session, name: Name, version: str) -> requests.Response:
    return _get(session, name, f"manifests/{version}", (*INDEXES, *MANIFESTS))


def _get(
    session: requests.Session, name: Name, path: str, accept: tuple[str, ...]
) -> requests.Response:
    headers = {"Accept": ", ".join(accept)} if accept else {}
    answer = _asked(session, name, path, headers)
    if answer.status_code == 401 and "Authorization" not in session.headers:
        session.headers["Authorization"] = _authorization(session, name, answer)
        answer = _asked(session, name, path, headers)
    answer.raise_for_status()
    return answer


def _asked(
    session: requests.Session, name: Name, path: str, headers: Mapping[str, str]
) -> requests.Response:
    """Send one request; on this machine without TLS, or with whatever certificate, as Docker."""
    rest = f"{name.address}/v2/{name.repository}/{path}"
    if not name.local:
        return session.get(f"https://{rest}", headers=headers, timeout=SECONDS)
    answer = session.get(f"http://{rest}", headers=headers, timeout=SECONDS)
    if answer.status_code != 400:
        return answer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3's, of a certificate that nobody looks at
        return session.get(f"https://{rest}", headers=headers, timeout=SECONDS, verify=False)


def _authorization(session: requests.Session, name: Name, answer: requests.Response) -> str:
    """Return the header that a registry asks for, from where it says."""
    challenge = answer.headers.get("WWW-Authenticate", "")
    known = _credentials(name)
    if challenge.lower().startswith("basic"):
        return _basic(known)
    challenged = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if "realm" not in challenged:
        answer.raise_for_status()
    query = {"service": challenged.get("service", ""), "scope": challenged.get("scope", "")}
    answer = session.get(challenged["realm"], params=query, auth=known, timeout=SECONDS)
    answer.raise_for_status()
    found = answer.json()
    return f"Bearer {found.get('token') or found.get('access_token')}"


def _basic(known: tuple[str, str] | None) -> str:
    from base64 import b64encode

    return f"Basic {b64encode(':'.join(known or ('', '')).encode()).decode()}"


def _credentials(name: Name) -> tuple[str, str] | None:
    """Return account and password as Docker's own configuration has them, None without."""
    import docker.auth

    login = HUB_LOGIN if name.registry == HUB else name.registry
    found = docker.auth.load_config().resolve_authconfig(login) or {}
    user = found.get("username") or found.get("Username")
    secret = found.get("password") or found.get("Password")
    return (user, secret) if user and secret else None


def _reason(error: Exception) -> str:
    """Return why, as far as can be in the registry's own words."""
    import requests

    answer = getattr(error, "response", None)
    if answer is None:
        if isinstance(error, requests.exceptions.SSLError):
            return "its certificate is not trusted here"
        if isinstance(error, requests.Timeout):
            return f"no answer within {SECONDS:.0f} s"
        if isinstance(error, requests.exceptions.ProxyError):
            return "the proxy of HTTPS_PROXY does not let us through"
        return _network(str(error))
    said = _own_words(answer)
    after = answer.headers.get("Retry-After")
    wait = f"; it says to retry after {after} s" if after else ""
    return f"{answer.status_code} {answer.reason}{f', {said}' if said else ''}{wait}"


def _network(text: str) -> str:
    known = {
        r"NameResolutionError|Name or service not known": "its name is not known here",
        r"[Rr]efused": "the connection was refused",
        r"unreachable|No route": "the network is unreachable",
    }
    found = (meaning for pattern, meaning in known.items() if re.search(pattern, text))
    return next(found, "the connection failed")


def _own_words(answer: requests.Response) -> str:
    try:
        errors = answer.json()["errors"]
        return "; ".join(str(each.get("message") or each["code"]) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _refused(reference: str, name: Name, reason: str, *, answered: bool) -> Refusal:
    login = reason.startswith(("401", "403", "429"))  # signed in, one may pull more
    hint = f"docker login {name.registry}" if login else WITHOUT
    refusal = Refusal(f"Image {reference}: {name.registry}: {reason}.", hint)
    refusal.answered = answered
    return refusal
