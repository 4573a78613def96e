"""Kernels of a user's server, over the websocket that JupyterLab uses.

Protocol: Jupyter messaging 5.4 over the server's `/api/kernels/ID/channels`
(https://jupyter-client.readthedocs.io, "Messaging in Jupyter"), JSON, one channel field a message.
"""

import json
import time
import uuid
from types import TracebackType
from typing import Any, Self

import websocket

from .server_client import Server, ServerError
from .waiting import PATIENCE

Output = dict[str, Any]


class KernelError(Exception):
    """A cell failed, or its kernel didn't answer in time."""


class Kernel:
    """One kernel with a session at *path*; a context manager that ends it."""

    def __init__(self, server: Server, path: str) -> None:
        self.server = server
        self._session = uuid.uuid4().hex
        body = {
            "path": path,
            "name": path.rsplit("/", 1)[-1],
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        answer = server.ask("POST", "api/sessions", json=body)
        if answer.status_code != 201:
            raise ServerError(f"Kernel: start answered {answer.status_code}, expected 201.", 0)
        started = answer.json()
        self._at = f"api/sessions/{started['id']}"
        self._socket = self._connect(started["kernel"]["id"])

    def _connect(self, kernel_id: str) -> websocket.WebSocket:
        url = f"{self.server.url}api/kernels/{kernel_id}/channels?session_id={self._session}"
        headers = {}
        if "Authorization" in self.server.web.headers:
            headers["Authorization"] = str(self.server.web.headers["Authorization"])
        return websocket.create_connection(
            "ws" + url.removeprefix("http"),
            timeout=30 * PATIENCE,
            cookie=self.server.web.cookie_header(url),
            header=headers,
            origin=self.server.person.endpoints.hub,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self.server.ask("DELETE", self._at)

    def run(self, code: str, seconds: float = 60.0) -> list[Output]:
        """Run a cell; returns its outputs as nbformat stores them, an error's among them.

        Raises KernelError when the cell isn't done in *seconds*.
        """
        request = self._send(code)
        outputs: list[Output] = []
        deadline = time.monotonic() + seconds * PATIENCE
        waiting_for = {"idle", "reply"}
        while waiting_for:
            message = self._receive(deadline)
            if message.get("parent_header", {}).get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_reply":
                waiting_for.discard("reply")
            elif kind == "status" and content["execution_state"] == "idle":
                waiting_for.discard("idle")
            else:
                _collect(outputs, kind, content)
        return outputs

    def text_of(self, code: str, seconds: float = 60.0) -> str:
        """What a cell prints; raises KernelError with the traceback's last line if it fails."""
        outputs = self.run(code, seconds)
        for output in outputs:
            if output["output_type"] == "error":
                raise KernelError(f"Cell: {output['ename']}: {output['evalue']}")
        return "".join(o["text"] for o in outputs if o.get("name") == "stdout")

    def _send(self, code: str) -> str:
        message_id = uuid.uuid4().hex
        message = {
            "channel": "shell",
            "header": {
                "msg_id": message_id,
                "msg_type": "execute_request",
                "session": self._session,
                "username": self.server.person.name,
                "version": "5.4",
                "date": "",
            },
            "parent_header": {},
            "metadata": {},
            "content": {
                "code": code,
                "silent": False,
                "store_history": True,
                "allow_stdin": False,
                "stop_on_error": True,
            },
        }
        self._socket.send(json.dumps(message))
        return message_id

    def _receive(self, deadline: float) -> dict[str, Any]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise KernelError("Cell: not done in time.")
        self._socket.settimeout(left)
        try:
            received: dict[str, Any] = json.loads(self._socket.recv())
        except websocket.WebSocketTimeoutException:
            raise KernelError("Cell: not done in time, and the kernel is silent.") from None
        return received


def _collect(outputs: list[Output], kind: str, content: dict[str, Any]) -> None:
    if kind == "stream":
        last = outputs[-1] if outputs else {}
        if last.get("output_type") == "stream" and last.get("name") == content["name"]:
            last["text"] += content["text"]
        else:
            outputs.append({"output_type": "stream", **content})
    elif kind in {"display_data", "execute_result", "error"}:
        outputs.append({"output_type": kind, **content})
    elif kind == "update_display_data":
        _update(outputs, content)


def _update(outputs: list[Output], content: dict[str, Any]) -> None:
    display = content.get("transient", {}).get("display_id")
    for output in outputs:
        if display and output.get("transient", {}).get("display_id") == display:
            output["data"] = content["data"]
