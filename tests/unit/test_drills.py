"""Drills: known documents, the ledger's verdict, the faults' names, the plot."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from xml.etree import ElementTree

import pytest

from habari_local.config.secrets import MADE, Secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drills.fault_injection import DEFAULTS, InjectedFault, back_after, select_faults
from habari_local.drills.plot import svg
from habari_local.drills.save_ledger import (
    Outcome,
    SaveAttempt,
    notebook_of,
    text_of,
    verify,
    version_in,
)
from habari_local.drills.save_load import start_servers
from habari_local.modes import get
from habari_local.platform.mode import Context
from tests.checkouts import copy_locks

NAME = "drill-1/grace-00001.ipynb"


def body(version: int, name: str = NAME) -> bytes:
    return json.dumps(notebook_of(text_of(name, version))).encode()


def attempts(*outcomes: Outcome) -> list[SaveAttempt]:
    return [SaveAttempt(n, 0.1, NAME, n, outcome) for n, outcome in enumerate(outcomes, start=1)]


@pytest.mark.parametrize(
    ("told", "stored", "lost", "refused_but_saved"),
    [
        (["saved"], 1, 0, 0),
        (["saved", "saved"], 2, 0, 0),
        (["saved", "unconfirmed"], 1, 0, 0),
        (["saved", "unconfirmed"], 2, 0, 0),
        (["saved", "refused"], 1, 0, 0),
        (["saved", "refused"], 2, 0, 1),
        (["saved", "saved"], 1, 1, 0),
        (["saved", "saved"], None, 2, 0),
        (["unconfirmed", "saved"], 1, 1, 0),
        (["unconfirmed"], None, 0, 0),
        (["refused"], None, 0, 0),
    ],
)
def test_a_save_is_lost_if_it_was_acknowledged_and_nothing_as_new_is_there(
    told: list[Outcome], stored: int | None, lost: int, refused_but_saved: int
) -> None:
    verdict = verify(attempts(*told), lambda _: body(stored) if stored else None)
    assert (len(verdict.lost), len(verdict.refused_but_saved), verdict.corrupted) == (
        lost,
        refused_but_saved,
        [],
    )
    assert verdict.good == (lost == refused_but_saved == 0)
    assert verdict.saved == told.count("saved")


@pytest.mark.parametrize("damage", [body(2)[:-200], b"", body(2, "drill-1/linus-00001.ipynb")])
def test_half_a_document_and_somebody_elses_are_torn_and_lose_what_was_there(damage: bytes) -> None:
    verdict = verify(attempts("saved", "unconfirmed"), lambda _: damage)
    assert (len(verdict.corrupted), len(verdict.lost)) == (1, 1)


def test_a_document_as_nbformat_writes_it_is_known() -> None:
    notebook = notebook_of(text_of(NAME, 3))
    notebook["cells"][0]["source"] = notebook["cells"][0]["source"].splitlines(keepends=True)
    assert version_in(json.dumps(notebook).encode(), NAME) == 3


def test_people_are_back_when_the_last_of_those_hit_saves_again() -> None:
    fault = InjectedFault("s3-killed", 10, 14)
    other = NAME.replace("grace", "linus")
    told = [
        SaveAttempt(9, 0.1, NAME, 1, "saved"),
        SaveAttempt(11, 0.1, NAME, 2, "refused"),
        SaveAttempt(15, 0.5, NAME, 3, "saved"),
        SaveAttempt(12, 0.1, other, 1, "saved"),
    ]
    assert back_after(fault, told) == 5.5
    assert back_after(fault, [*told, SaveAttempt(13, 0.1, other, 2, "unconfirmed")]) is None
    assert back_after(InjectedFault("hub-killed", 20, 24), told) == 0.0


def test_an_unknown_fault_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    secrets = Secrets(dict.fromkeys(MADE, "x"))
    ctx = Context(
        Checkout(copy_locks(tmp_path)), Settings.model_validate({"s3_backend": "moto"}), secrets, {}
    )
    mode = get("process")
    assert select_faults((), mode, ctx) == list(DEFAULTS)
    assert select_faults(["none"], mode, ctx) == []
    with pytest.raises(HabariError, match=r"Fault db-killed: not known.*github-frozen"):
        select_faults(["s3-killed", "db-killed"], mode, ctx)


def test_the_plot_is_xml_and_names_what_was_broken() -> None:
    faults = [InjectedFault("s3-killed", 5, 9), InjectedFault("hub-killed", 12, 18)]
    drawn = svg("a & b", attempts("saved", "refused", "unconfirmed"), faults)
    ElementTree.fromstring(drawn)
    assert "s3-killed" in drawn
    ElementTree.fromstring(svg("", [], []))


def test_a_hub_that_does_not_answer_is_told_in_a_sentence(tmp_path: Path) -> None:
    secrets = Secrets(dict.fromkeys(MADE, "x"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nowhere = Settings.model_validate({"s3_backend": "moto", "hub_port": port})
    where = get("process").endpoints(Context(Checkout(copy_locks(tmp_path)), nowhere, secrets, {}))
    begun = start_servers(where, ["grace"], "run")
    with pytest.raises(HabariError, match="could not start users' servers"), begun:
        pytest.fail("nobody can be at work")
