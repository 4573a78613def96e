"""What `habari-local status` says when not all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from habari_local.commands.status import trouble
from habari_local.platform.mode import ServiceStatus


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((), "Habari is down (/checkout)."),
        (("stopped", "stopped"), "Habari is down (/checkout)."),
        (("running", "not answering"), "Some services don't answer."),
        (("not answering", "stopped"), "No service answers, though some run."),
    ],
)
def test_down_is_said_of_what_does_not_run(states: tuple[str, ...], said: str) -> None:
    """As in a cluster whose public address can't be reached from here."""
    assert trouble([ServiceStatus("hub", each) for each in states], Path("/checkout")) == said
