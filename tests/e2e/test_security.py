"""What other sites, other users and odd paths can't do."""

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from .endpoints import Endpoints
from .hub_client import Person, sign_in
from .not_applicable import not_applicable
from .server_client import Server
from .web import Web

ELSEWHERE = "http://elsewhere.example"
# Ways out of a folder, as they go over the wire: no client has tidied them up.
UP = ("../" * 9, "..%2f" * 9, "%2e%2e/" * 9, "%2e%2e%2f" * 9, "..%5c" * 9, "....//" * 9)
SECRET = b"root:"  # how /etc/passwd begins


def _cookies(person: Person) -> dict[str, tuple[bool, str]]:
    """Of each cookie with something secret in it: kept from scripts, SameSite."""
    return {
        f"{cookie.name} {cookie.path}": (
            cookie.has_nonstandard_attr("HttpOnly"),
            str(cookie.get_nonstandard_attr("SameSite", "")),
        )
        for cookie in person.web.cookies
        if cookie.name != "_xsrf"  # no secret of its own: pages must read it
    }


def _must_have_cookies(server: Server) -> None:
    """Skip for who shows a token: no browser sends one along, so another site has nothing of it."""
    if "Authorization" in server.web.headers:
        not_applicable("real-github")


def test_cookies_are_out_of_reach(server: Server) -> None:
    """Cookies of a session are kept from scripts and from requests of other sites."""
    _must_have_cookies(server)
    server.enter()
    found = _cookies(server.person)
    assert found
    for name, (hidden, same_site) in found.items():
        assert hidden, name
        assert same_site in {"Lax", "Strict"}, name


def test_a_token_in_an_address_is_none(endpoints: Endpoints, server: Server) -> None:
    """A token in an address, where logs and histories keep it, opens neither hub nor server."""
    token = {"token": endpoints.hub_api_token.get_secret_value()}
    with Web(endpoints.hub) as stranger:
        for url in (f"{endpoints.hub}/hub/api/users", f"{server.url}api/contents"):
            assert stranger.get(url, params=token).status_code in {401, 403}, url
        stranger.headers["Authorization"] = f"token {token['token']}"
        assert stranger.get(f"{endpoints.hub}/hub/api/users").ok


def test_nothing_secret_stays_in_the_address(endpoints: Endpoints) -> None:
    """After the sign-in neither code nor state is in the address of the page."""
    if endpoints.github is None:
        not_applicable("real-github")
    person = sign_in(endpoints, endpoints.users.allowed[0])
    page = person.web.get(f"{endpoints.hub}/hub/home")
    assert page.ok
    assert not urlsplit(page.url).query
    person.sign_out()
    person.web.close()


def test_pages_are_not_framed(endpoints: Endpoints, server: Server) -> None:
    """No other site can show a page of hub or server in a frame, or have it taken for a script."""
    pages = [server.enter()]
    if endpoints.has_hub:
        pages.append(server.web.get(f"{endpoints.hub}/hub/login"))
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy or "frame-ancestors 'self'" in policy, page.url
    nosniff = server.ask("GET", "api/contents").headers["X-Content-Type-Options"]
    assert nosniff == "nosniff"


def _from_elsewhere(server: Server, method: str, url: str) -> requests.Response:
    """Ask as a browser does for a page of another site that has this person's cookies sent."""
    headers = {"Origin": ELSEWHERE, "Referer": f"{ELSEWHERE}/", "Sec-Fetch-Site": "cross-site"}
    answer: requests.Response = server.web.request(method, url, headers=headers, json={})
    return answer


def test_another_site_changes_nothing_and_reads_nothing(server: Server, run_id: str) -> None:
    """A page of another site, open in the same browser, changes nothing and is shown nothing."""
    _must_have_cookies(server)
    hub = server.person.endpoints.hub
    file = f"api/contents/{run_id}-planted.txt"
    urls = [("PUT", server.url + file), ("POST", f"{server.url}api/kernels")]
    if server.person.endpoints.has_hub:
        urls.append(("POST", f"{hub}/hub/api/users/{server.person.name}/tokens"))
    for method, url in urls:
        # Without a hub it is 404: there a server hides from other origins what it has.
        assert _from_elsewhere(server, method, url).status_code in {403, 404}, url
    assert not server.exists(f"{run_id}-planted.txt")
    for _, url in urls:
        assert "Access-Control-Allow-Origin" not in _from_elsewhere(server, "GET", url).headers


@pytest.mark.parametrize("path", ["terminals/websocket/1", "api/kernels/{id}/channels"])
def test_another_site_opens_no_connection(server: Server, path: str) -> None:
    """A page of another site gets no websocket to a terminal or a kernel, the own page does"""
    _must_have_cookies(server)
    terminal = server.ask("POST", "api/terminals")
    kernel = server.ask("POST", "api/kernels", json={"name": "python3"})
    try:
        if "terminals" in path:
            path = f"terminals/websocket/{terminal.json()['name']}"
        at = server.url + path.replace("{id}", kernel.json()["id"])
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            _connected(server, at, ELSEWHERE)
        assert refused.value.status_code == 403
        with closing(_connected(server, at, server.person.endpoints.hub)):
            pass
    finally:
        server.ask("DELETE", f"api/terminals/{terminal.json()['name']}")
        server.ask("DELETE", f"api/kernels/{kernel.json()['id']}")


def _connected(server: Server, url: str, origin: str) -> websocket.WebSocket:
    return websocket.create_connection(
        "ws" + url.removeprefix("http"),
        timeout=10,
        cookie=server.web.cookie_header(url),
        origin=origin,
    )


def test_what_a_server_proves_is_nothing_to_the_hub(server: Server) -> None:
    """A page of a user's server can't act at the hub in the name of whoever looks at it."""
    _must_have_cookies(server)
    proof = server.web.xsrf(urlsplit(server.url).path)
    assert proof
    assert proof != server.web.xsrf("/hub/")
    hub = server.person.endpoints.hub
    for url in (f"users/{server.person.name}/tokens", f"users/{server.person.name}/server"):
        answer = server.web.post(f"{hub}/hub/api/{url}", headers=proof, json={})
        assert answer.status_code == 403


def test_a_page_among_the_files_has_no_power(server: Server, run_id: str) -> None:
    """A page that lies among the files runs apart: it has no session of whoever opens it."""
    server.make_folder(run_id)
    server.save_text(f"{run_id}/page.html", "<script>fetch('/hub/api/user')</script>")
    policy = server.ask("GET", f"files/{run_id}/page.html").headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy


def _raw(server: Server, path: str) -> tuple[int, bytes]:
    """Status and body of a path that is sent just as it is."""
    at = urlsplit(server.url)
    assert at.hostname is not None
    connection: http.client.HTTPConnection
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname, at.port, timeout=30)
    headers = {"Cookie": server.web.cookie_header(server.url)}
    headers |= {k: str(v) for k, v in server.web.headers.items() if k == "Authorization"}
    with closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.parametrize("up", UP)
def test_paths_lead_nowhere_else(server: Server, up: str) -> None:
    """No path leads out of the home, a bucket or the folder of pages"""
    base = urlsplit(server.url).path
    under = [f"{base}{part}/" for part in ("api/contents", "files", "static", "view")]
    under += [f"{base}{part}/{folder}/" for part in ("api/contents", "files")
              for folder in ("notebooks", "lake")]  # fmt: skip
    if server.person.endpoints.has_hub:
        under += ["/hub/static/", "/hub/api/users/"]
    for folder in under:
        status, body = _raw(server, f"{folder}{up}etc/passwd")
        assert not body.startswith(SECRET), folder
        assert SECRET + b"x:0" not in body, folder
        assert status >= 400 or b'"content"' not in body, folder


@pytest.mark.parametrize("place", ["", "notebooks/", "lake/"])
def test_no_file_is_put_elsewhere(server: Server, place: str, run_id: str) -> None:
    """No save, move or copy lands outside of the home and the buckets"""
    server.make_folder(run_id)
    server.save_text(f"{run_id}/mine.txt", "mine")
    outside = f"{place}{'../' * 9}tmp/{run_id}.txt"
    move = server.ask("PATCH", f"api/contents/{run_id}/mine.txt", json={"path": outside})
    copied = server.ask("POST", f"api/contents/{run_id}", json={"copy_from": "../../../etc/passwd"})
    assert not move.ok
    assert not copied.ok
    assert server.read(f"{run_id}/mine.txt")["content"] == "mine"
