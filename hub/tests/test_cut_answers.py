"""A download whose source dies ends in the browser, with what production sets and with our file."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml
from rig import ROOT, Rig, wait_until

OURS = ROOT / "images" / "proxy" / "end_cut_answers.cjs"
PRODUCTION = yaml.safe_load((ROOT / "config.dist.yaml").read_text())["proxy"]["chp"]["extraEnv"]
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
}


@pytest.fixture(params=["ours", "production"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path, proxy: list[str]) -> Iterator[Rig]:
    """The proxy alone, with what has it end such an answer."""
    rig = Rig(tmp_path, proxy)
    options = {"ours": f"--require={OURS}", "production": PRODUCTION["NODE_OPTIONS"]}
    rig.environment["NODE_OPTIONS"] = options[request.param]
    try:
        rig.start_proxy(preloaded=())
        wait_until(rig.proxy_answers, 60)
        yield rig
    finally:
        rig.close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_cut_ends(proxied: Rig, answer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dying:
        threading.Thread(target=die_after, args=(dying, ANSWERS[answer]), daemon=True).start()
        token = proxied.environment["CONFIGPROXY_AUTH_TOKEN"]
        routes = f"http://127.0.0.1:{proxied.proxy_api}/api/routes/dying"
        target = {"target": f"http://127.0.0.1:{dying.getsockname()[1]}"}
        head = {"Authorization": f"token {token}"}
        requests.post(routes, json=target, headers=head, timeout=10).raise_for_status()
        with requests.get(f"{proxied.url}/dying", stream=True, timeout=10) as download:
            assert download.status_code == 200
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                download.content  # noqa: B018 (read to its end)
    assert requests.get(f"{proxied.url}/_chp_healthz", timeout=10).ok


def die_after(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
