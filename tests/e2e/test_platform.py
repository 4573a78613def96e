"""The services answer, and nobody else gets in."""

import socket
from urllib.parse import urlsplit

import pytest
import requests

from .collector import Collector
from .endpoints import Endpoints
from .hub_client import Hub
from .s3_client import Bucket
from .server_client import Server
from .web import Web


def test_every_service_answers(endpoints: Endpoints, request: pytest.FixtureRequest) -> None:
    """Every service answers at its address; without that, nothing else is tried."""
    silent = []
    for name, service in endpoints.services.items():
        if service.from_host and service.from_host.startswith("http"):
            try:
                with Web(service.from_host) as web:
                    web.get("/", allow_redirects=False)
            except requests.RequestException as error:
                silent.append(f"{name} at {service.from_host} ({type(error).__name__})")
    if silent:
        request.session.shouldfail = "services don't answer"
    assert not silent


def test_hub_is_healthy(endpoints: Endpoints, hub: Hub, collector: Collector) -> None:
    """The hub is healthy and tells its version."""
    assert hub.web.get(f"{endpoints.hub}/hub/health").status_code == 200
    version = hub.get("")["version"]
    collector.run.versions["JupyterHub"] = version
    assert int(version.partition(".")[0]) >= 5


def test_login_page_is_shown_to_strangers(endpoints: Endpoints) -> None:
    """A stranger who opens the hub is led to the sign-in."""
    with Web(endpoints.hub) as stranger:
        page = stranger.get(endpoints.hub + "/")
    assert page.status_code == 200
    assert "GitHub" in page.text


@pytest.mark.parametrize("path", ["users", "user", "proxy", "info", "groups"])
def test_api_needs_a_token(endpoints: Endpoints, path: str) -> None:
    """The hub's API refuses whoever has no token"""
    with Web(endpoints.hub) as stranger:
        assert stranger.get(f"{endpoints.hub}/hub/api/{path}").status_code in {401, 403}


def test_api_refuses_a_wrong_token(endpoints: Endpoints) -> None:
    """The hub's API refuses a token that it didn't give."""
    with Web(endpoints.hub) as stranger:
        stranger.headers["Authorization"] = "token 0123456789abcdef"
        assert stranger.get(f"{endpoints.hub}/hub/api/users").status_code in {401, 403}


def test_changes_need_proof_of_origin(server: Server) -> None:
    """Another site can't start or stop a server with the user's cookies (XSRF)."""
    url = f"{server.person.endpoints.hub}/hub/api/users/{server.person.name}/server"
    if "Authorization" in server.web.headers:
        return  # a token is no cookie: no site can borrow it
    assert server.web.delete(url).status_code == 403
    assert server.web.post(server.url + "api/contents/").status_code == 403


def test_buckets_take_and_give(lake: Bucket, notebooks: Bucket, run_id: str) -> None:
    """Both buckets give back byte by byte what they took."""
    body = bytes(range(256)) * 4
    for bucket in (lake, notebooks):
        bucket.put(f"{run_id}/platform/every byte +%#?&.bin", body)
        assert bucket.get(f"{run_id}/platform/every byte +%#?&.bin") == body
        assert bucket.keys(f"{run_id}/platform/") == [f"{run_id}/platform/every byte +%#?&.bin"]


def test_hub_and_servers_fit_together(server: Server, hub: Hub, collector: Collector) -> None:
    """Hub and notebook server are of the same JupyterHub release."""
    status = server.status()
    assert status.status_code == 200
    version = status.headers["X-JupyterHub-Version"]
    collector.run.versions["JupyterHub in servers"] = version
    assert version.split(".")[:2] == hub.get("")["version"].split(".")[:2]


def test_nothing_listens_beyond_this_machine(endpoints: Endpoints) -> None:
    """No service can be reached by this machine's outside address."""
    services = endpoints.services.values()
    ports = {urlsplit(s.from_host).port for s in services if s.from_host} - {None}
    for service in services:
        if service.from_host:
            assert urlsplit(service.from_host).hostname in {"127.0.0.1", "localhost", "::1"}
    outside = _outside_address()
    reached = [port for port in ports if port and outside and _connects(outside, port)]
    assert not reached


def _outside_address() -> str | None:
    """This machine's address as others see it; None without a network. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True
