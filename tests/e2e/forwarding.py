"""A port of this machine that leads to another one, as ssh and editors forward them."""

import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Server(socketserver.ThreadingTCPServer):
    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port, self.over = port, threading.Event()


class _Connection(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        there = ("127.0.0.1", self.server.port)
        with suppress(OSError), socket.create_connection(there) as theirs:
            self._pump(theirs)

    def _pump(self, theirs: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self.request, selectors.EVENT_READ, (self.request, theirs))
            ready.register(theirs, selectors.EVENT_READ, (theirs, self.request))
            while not self.server.over.is_set():
                for key, _ in ready.select(0.2):
                    source, sink = key.data
                    data = source.recv(65536)
                    if not data:
                        return
                    sink.sendall(data)


@contextmanager
def forwarded(port: int) -> Iterator[int]:
    """A free port whose connections go to *port*, until the block ends."""
    with _Server(port) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.over.set()
            server.shutdown()
