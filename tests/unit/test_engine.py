"""The engine where there is none."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import pytest

from habari_local.drivers import engine
from habari_local.errors import HabariError


@pytest.mark.filterwarnings("error")
def test_a_socket_that_a_stopped_engine_left_is_told_and_left_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(left))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{left}")
    engine.api.cache_clear()
    try:
        assert not engine.reachable()
        with pytest.raises(HabariError, match="no engine answers"):
            engine.api()
        gc.collect()
    finally:
        engine.api.cache_clear()
