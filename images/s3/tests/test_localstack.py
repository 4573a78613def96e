"""The same promise on LocalStack; one test, as LocalStack takes seconds to start."""

from __future__ import annotations

import signal

from . import scenario
from .conftest import Service


def test_everything_survives_kill_9_on_localstack(localstack: Service) -> None:
    key = scenario.write(localstack)
    before = scenario.view(localstack)
    localstack.restart()
    assert scenario.view(localstack) == before
    scenario.go_on(localstack, key)
    assert localstack.end(signal.SIGTERM) == 0
