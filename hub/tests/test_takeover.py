"""A new hub's patience with servers that were there before it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from docker.errors import APIError
from habari_hub import docker_spawner, takeover
from habari_hub.docker_spawner import HabariDockerSpawner
from requests.exceptions import ConnectionError as Unreachable

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


async def serve(port: int, *said: bytes) -> asyncio.Server:
    """A server that gives these answers, the last again and again."""
    left = list(said)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port)


async def lives() -> bool:
    return False


async def ended() -> bool:
    return True


def test_a_server_that_answers_late_is_waited_for() -> None:
    async def play() -> bool:
        first = await serve(0, PAGE)
        port = first.sockets[0].getsockname()[1]
        first.close()
        await first.wait_closed()
        waiting = asyncio.create_task(
            takeover.answers(f"http://127.0.0.1:{port}/user/ada/api", 30, lives)
        )
        await asyncio.sleep(0.5)  # the time that it takes
        async with await serve(port, BUSY, BUSY, PAGE):
            return await waiting

    assert asyncio.run(play())


def test_a_name_that_does_not_resolve_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> bool:
        async with await serve(0, PAGE) as server:
            port, tries = server.sockets[0].getsockname()[1], iter((True, True, False))
            opened = asyncio.open_connection

            async def late(host: str, port: int) -> Any:
                if next(tries, False):
                    raise OSError(-2, "Name or service not known")
                return await opened("127.0.0.1", port)

            monkeypatch.setattr(asyncio, "open_connection", late)
            return await takeover.answers(f"http://u-1:{port}/user/ada/api", 30, lives)

    assert asyncio.run(play())


def test_nobody_waits_for_a_server_that_has_ended() -> None:
    began = time.monotonic()
    assert not asyncio.run(takeover.answers("http://127.0.0.1:9/user/ada/api", 30, ended))
    assert time.monotonic() - began < 5


class Spawner(HabariDockerSpawner):  # type: ignore[misc]
    """Asks an engine that answers as the test says."""

    said: list[Any]

    async def docker(self, method: str, *_args: Any, **_kwargs: Any) -> Any:
        assert method == "inspect_container"
        answer = self.said.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def spawner() -> Spawner:
    made = Spawner(container_prefix="x", name_template="x", object_name="x")
    made.object_id = "c0"
    return made


def test_an_engine_that_cannot_be_reached_ends_no_server(spawner: Spawner) -> None:
    """Socket proxy and hub start at the same time; JupyterHub takes a failed poll for an end."""
    spawner.said = [Unreachable("no route"), Unreachable("refused")]
    spawner.said.append({"Id": "c0", "State": {"Running": True}})
    assert asyncio.run(spawner.poll()) is None


def test_an_engine_that_stays_away_is_told(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_spawner, "ENGINE_SECONDS", 0.0)
    spawner.said = [Unreachable("refused")] * 3
    with pytest.raises(Unreachable):
        asyncio.run(spawner.poll())


def test_what_the_engine_refuses_is_not_asked_again(spawner: Spawner) -> None:
    class Refusal:
        status_code = 403
        reason = "Forbidden"
        url = ""

    spawner.said = [APIError("no", response=Refusal())]
    with pytest.raises(APIError):
        asyncio.run(spawner.poll())
