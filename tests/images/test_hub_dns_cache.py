"""The hub's HTTP client asks again for a name that was not there a moment ago."""

from __future__ import annotations

from habari_local.images.build import Images
from tests.images.conftest import Run

# A name that comes a moment after it was first asked for, as a server's does for a new hub.
LATE = """
import asyncio, http.server, sys, threading, time
sys.path.insert(0, "/srv/hub")
from habari_hub.dns_cache import disable_dns_cache
from tornado.httpclient import AsyncHTTPClient

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 8899), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()

async def answered(client):
    try:
        await client.fetch("http://late-name:8899/", connect_timeout=3)
    except Exception:
        return False
    return True

async def main():
    assert disable_dns_cache(), "the client on libcurl is the one that JupyterHub takes"
    # One handle, so that each request has the one of the request before; tornado resets it after.
    AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient", max_clients=1)
    client = AsyncHTTPClient()
    assert not await answered(client)
    assert not await answered(client)
    with open("/etc/hosts", "a") as file:
        file.write("127.0.0.1 late-name\\n")
    began = time.monotonic()
    while not await answered(client):
        await asyncio.sleep(0.1)
    print(time.monotonic() - began)

asyncio.run(main())
"""


def test_a_name_that_was_not_there_is_asked_for_again(images: Images, run: Run) -> None:
    """libcurl keeps a failed look-up for 30 s: as long as the hub waits for a server."""
    python = ("--entrypoint", "python", "--user", "0", images.reference("hub"))
    said = run("run", "--rm", *python, "-c", LATE).stdout
    assert float(said.split()[-1]) < 10, said
