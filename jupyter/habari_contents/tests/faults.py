"""The fault-injecting TCP proxy that the tests put between a server and S3."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter

from .habits import Answer, Habit, Request, outcomes
from .servers import KEYS

ANSWERS = {
    "slow-down": (503, "SlowDown"),
    "forbid": (403, "AccessDenied"),
    "expire": (400, "ExpiredToken"),
}
SIGNATURE = ("authorization", "x-amz-date", "x-amz-content-sha256")
SLOW_SECONDS = 0.15


class FaultProxy:
    """Forwards HTTP/1.1 to S3 one request at a time, and fails in the way that `mode` says.

    `pass`; `refuse`: nothing listens; `hang`: the request is read and never answered; `late`: it
    is held until `release`, whoever still waits for it; `slow`: it goes on after a moment;
    `slow-down`, `forbid`, `expire`: S3's answers of these names; `lose-answer`: S3 does it, and the
    connection breaks before the answer; `cut-body`: the answer breaks in the middle; and those of
    `habits.outcomes`. `habit` is what the store always does, `seconds_away` what each request takes
    longer. `only` limits the fault to one method; `requests` counts them; `hit` is set once one has
    failed.
    """

    def __init__(self, target_port: int) -> None:
        self.mode = "pass"
        self.habit: Habit | None = None
        self.seconds_away = 0.0
        self.only = ""
        self.times = 0
        self.skip = 0
        self.requests: Counter[str] = Counter()
        self.log: list[str] = []
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.hit = threading.Event()
        self._let_go = asyncio.Event()
        self._held = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self._call(self._listen())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _silence(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fail(self, mode: str, only: str = "", times: int = 0) -> None:
        """Fail in this way from now on; `times` limits how often (0: always)."""
        self.only, self.times, self.skip = only, times, 0
        self.hit.clear()
        if mode == "refuse":
            self._call(self._silence())
        elif self._server is None:
            self._call(self._listen())
        self.mode = mode

    def fail_after(self, skip: int, mode: str, only: str, times: int = 0) -> None:
        """Fail in this way after `skip` requests of the method have gone through."""
        self.fail(mode, only, times)
        self.skip = skip

    def release(self) -> None:
        """Let the held requests go on, and wait until S3 has done them."""
        self._call(self._release())

    async def _release(self) -> None:
        self._let_go.set()
        while self._held:
            await asyncio.sleep(0.005)
        self._let_go.clear()

    def heal(self) -> None:
        """Forward everything again."""
        self.fail("pass")
        self.requests.clear()
        self.log.clear()

    def close(self) -> None:
        """Stop it."""
        self._call(self._silence())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            while True:
                head, body = await self._read(reader, writer)
                method = head.split(b" ", 1)[0].decode()
                self.requests[method] += 1
                self.log.append(head.split(b"\r\n", 1)[0].decode())
                fault = self._fault(method)
                if self.seconds_away:
                    await asyncio.sleep(self.seconds_away)
                if fault == "hang":
                    await asyncio.Event().wait()
                if fault == "slow":
                    await asyncio.sleep(SLOW_SECONDS)
                if fault in ANSWERS:
                    writer.write(_refusal(method, *ANSWERS[fault]))
                    await writer.drain()
                    continue
                self._held += fault == "late"
                try:
                    if fault == "late":
                        await self._let_go.wait()
                    done = (b"", b"")
                    if fault not in outcomes.NOT_APPLIED:
                        done = await self._done(head, body, to_reader, to_writer)
                finally:
                    self._held -= fault == "late"
                if not await _tell(writer, fault, method, *done):
                    return
        finally:
            to_writer.close()

    async def _read(self, reader, writer) -> tuple[bytes, bytes]:
        """The next request: head and body."""
        head = await reader.readuntil(b"\r\n\r\n")
        if b"expect: 100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = head.split(b"\r\n")
            head = b"\r\n".join(line for line in lines if not line.lower().startswith(b"expect"))
        return head, await _body(reader, head)

    async def _done(self, head: bytes, body: bytes, reader, writer) -> tuple[bytes, bytes]:
        """What S3 answers, or the store with its habit: head and body."""
        if self.habit is not None:
            request = self.habit.request(Request.parse(head, body))
            if isinstance(request, Answer):
                return request.raw(head.split(b" ", 1)[0].decode()), b""
            if request != Request.parse(head, body):
                request.headers = signed(request)
            answer = Answer.parse(*await self._ask(request.raw(), reader, writer))
            return self.habit.answer(request, answer).raw(request.method), b""
        return await self._ask(head + body, reader, writer)

    async def _ask(self, request: bytes, reader, writer) -> tuple[bytes, bytes]:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        return answer, b"" if request.startswith(b"HEAD ") else await _body(reader, answer)

    def _fault(self, method: str) -> str:
        if self.mode == "pass" or (self.only and self.only != method):
            return "pass"
        if self.skip:
            self.skip -= 1
            return "pass"
        self.hit.set()
        if self.times:
            self.times -= 1
            if not self.times:
                mode, self.mode = self.mode, "pass"
                return mode
        return self.mode


async def _tell(
    writer: asyncio.StreamWriter, fault: str, method: str, head: bytes, body: bytes
) -> bool:
    """Tell what S3 answered, or what the fault makes of it; is the connection still good?"""
    if fault == "lose-answer":
        return False
    if fault in outcomes.BROKEN:
        await _break(writer, fault)
        return False
    if fault in outcomes.ANSWERS:
        head, body = outcomes.ANSWERS[fault].raw(method), b""
    if fault == "cut-body":
        body = body[: len(body) // 2]
    writer.write(head + body)
    await writer.drain()
    return fault != "cut-body"


async def _break(writer: asyncio.StreamWriter, how: str) -> None:
    """Break the connection, as a host does that is gone, or in the middle of the answer."""
    if how == "cut-status":
        writer.write(outcomes.STATUS_LINE)
        await writer.drain()
        return
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def signed(request: Request) -> dict[str, str]:
    """The headers of a request that was changed on its way, signed again."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = {name: value for name, value in request.headers.items() if name not in SIGNATURE}
    url = f"http://{headers['host']}{request.target}"
    again = AWSRequest(request.method, url, headers=headers, data=request.body)
    S3SigV4Auth(Credentials(*KEYS.values()), "s3", "us-east-1").add_auth(again)
    return {name.lower(): value for name, value in again.headers.items()}


def _refusal(method: str, status: int, code: str) -> bytes:
    said = f"<Error><Code>{code}</Code><Message>Ask at http://secret-endpoint</Message></Error>"
    body = b"" if method == "HEAD" else said.encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return {name.lower(): value.strip() for name, value in lines}


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    headers = _headers(head)
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        whole = b""
        while True:
            size_line = await reader.readuntil(b"\r\n")
            size = int(size_line.strip(), 16)
            whole += size_line + await reader.readexactly(size + 2)
            if not size:
                return whole
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))
