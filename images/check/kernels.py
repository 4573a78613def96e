"""Starts every kernel that a notebook server offers, as JupyterLab does; prints one line of JSON.

images/check/probe.py runs this text with the Python of the server (tornado is there) and the
arguments ADDRESS TOKEN BUCKET SECONDS. What a kernel says: nothing if it started, and python3 could
use S3 with the packages that people import; else why not.

Protocol: Jupyter messaging 5.4 over `/api/kernels/ID/channels`, JSON, one channel field a message.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

ADDRESS, TOKEN, BUCKET, SECONDS = sys.argv[1:5]
OURS = "python3"
CELL = f"""
import boto3, pandas, s3fs
seen = boto3.client("s3").list_objects_v2(Bucket={BUCKET!r})["Contents"]
assert s3fs.S3FileSystem().ls({BUCKET!r}), "s3fs lists nothing"
assert len(pandas.DataFrame(seen)) == 1, "boto3 lists nothing"
"""
LIMITS = {"connect_timeout": float(SECONDS), "request_timeout": float(SECONDS)}


def request(path: str, **more: Any) -> HTTPRequest:
    """Return a request to the server, `path` after its address."""
    headers = {"Authorization": f"token {TOKEN}"}
    return HTTPRequest(f"{ADDRESS}/{path}", headers=headers, **LIMITS, **more)


async def fetched(path: str, **more: Any) -> Any:
    """Return what the server answers, taken apart."""
    answer = await AsyncHTTPClient().fetch(request(path, **more))
    return json.loads(answer.body or b"null")


async def answer(socket: WebSocketClientConnection, kind: str, content: dict[str, Any]) -> Any:
    """Send a request to the kernel; return the content of its reply."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": f"{kind}_request", "version": "5.4"}
    header |= {"username": "check", "session": uuid.uuid4().hex}
    body = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await socket.write_message(json.dumps({**body, "channel": "shell"}))
    while True:
        text = await socket.read_message()
        if text is None:
            raise ConnectionError("the server closed the connection")
        message = json.loads(text)
        mine = message["parent_header"].get("msg_id") == header["msg_id"]
        if mine and message["msg_type"] == f"{kind}_reply":
            return message["content"]


async def started(name: str) -> str:
    """Start a kernel, and run a cell in ours; return why that failed, empty if it did not."""
    made = await fetched("api/kernels", method="POST", body=json.dumps({"name": name}))
    url = f"ws{ADDRESS.removeprefix('http')}/api/kernels/{made['id']}/channels"
    headers = {"Authorization": f"token {TOKEN}"}
    socket = await websocket_connect(HTTPRequest(url, headers=headers, **LIMITS))
    info = await answer(socket, "kernel_info", {})
    if info.get("status") != "ok":
        return f"{info.get('ename')}: {info.get('evalue')}"
    if name != OURS:
        return ""
    cell = {"code": CELL, "silent": False, "store_history": False, "allow_stdin": False}
    done = await answer(socket, "execute", {**cell, "user_expressions": {}, "stop_on_error": True})
    return "" if done["status"] == "ok" else f"{done['ename']}: {done['evalue']}"


async def outcome(name: str) -> str:
    """Return what a kernel says, whatever goes wrong."""
    try:
        return await asyncio.wait_for(started(name), float(SECONDS))
    except TimeoutError:
        return f"no answer in {float(SECONDS):.0f} s"
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the finding)
        return f"{type(error).__name__}: {error}"


async def main() -> None:
    """Start all side by side, and print what each says by name."""
    offered = sorted((await fetched("api/kernelspecs"))["kernelspecs"])
    said = await asyncio.gather(*(outcome(name) for name in offered))
    sys.stdout.write(f"\n{json.dumps(dict(zip(offered, said, strict=True)))}\n")


asyncio.run(main())
