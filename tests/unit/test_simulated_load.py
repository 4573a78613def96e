"""The load with simulated servers: what it tells the hub, and what it makes of what it found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.simulated import hub_profile, page
from bench.simulated.parts import Platform, Trial
from bench.simulated.trial_run import Found
from tests.scratch import ROOT

LOOP = "main (app.py:1);run_once (asyncio/base_events.py:1922)"
ACTIVITY = (
    f"{LOOP};catching (jupyterhub/utils.py:758);update_last_activity (jupyterhub/app.py:3582)"
)


def user(name: str, seconds: float, **more: Any) -> dict[str, Any]:
    steps = ("sign in", "start the server", "open it", "all of it")
    found = {"name": name, "seconds": dict.fromkeys(steps, seconds), "later": 0, "error": ""}
    return found | more


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    file = tmp_path / "come.folded"
    lines = [
        f"{ACTIVITY};execute (sqlalchemy/orm/session.py:2);do_execute (sqlalchemy/default.py:9) 6",
        f"{ACTIVITY};find (jupyterhub/orm.py:385);build (sqlalchemy/sql/visitors.py:7) 3",
        f"{LOOP};select (selectors.py:468) 500",
        f"{LOOP};prepare (jupyterhub/handlers/base.py:10);_login (jupyterhub/handlers/base.py:9) 1",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_profile_adds_up_work_and_no_waiting_for_requests(folded: Path) -> None:
    kinds = hub_profile.by_kind(folded)
    assert kinds == {"PostgreSQL: waiting and reading": 6, "SQLAlchemy": 3, "JupyterHub": 1}
    functions = hub_profile.by_function(folded)
    assert functions == {"update_last_activity (app.py)": 9, "prepare (handlers/base.py)": 1}


def test_a_name_that_changed_while_it_was_sampled_is_left_out(folded: Path) -> None:
    """The figures of 2,000 users were lost to one such line."""
    whole = hub_profile.by_kind(folded)
    torn = b"\nprepare (jupyterhub/handl\xfc\xff.py:10) 9\ncut in\ntwo (app.py:1) x\n 3\n"
    folded.write_bytes(folded.read_bytes() + torn)
    assert hub_profile.by_kind(folded) == whole


def test_the_hub_is_told_what_production_tells_it(tmp_path: Path) -> None:
    platform = Platform(tmp_path, Trial(3, {"JupyterHub": {"activity_resolution": 60}}))
    told = platform.hub_settings()
    production = yaml.safe_load((ROOT / "config.dist.yaml").read_text(encoding="utf-8"))["hub"]
    assert told["hub"] == production, "nothing is left out, and nothing is the chart's own"
    assert told["github"]["allowed_users"][:3] == ["u00000", "u00001", "u00002"]
    assert told["tried"] == {"JupyterHub": {"activity_resolution": 60}}


def test_the_page_says_what_was_found_and_what_went_wrong(folded: Path) -> None:
    found = Found(
        Trial(4),
        come=[user("a", 1.0), user("b", 2.0), user("c", 3.0), user("d", 4.0, later=2, error="500")],
        come_seconds=8.0,
        come_effort=Counter({"hub": 0.4, "proxy": 0.04}),
        steady_seconds=10.0,
        steady_effort=Counter({"hub": 0.5}),
        probes=[user("p", 1.0), user("q", 1.0)],
        memory={"hub": 2e8, "proxy": 1e8},
        restart={"servers": 6, "stop": 1, "up": 2, "known": 4, "lost": 1, "effort": 3},
        cull={"servers": 6, "left": 0, "seconds": 3, "effort": 0.3},
        profiles={"come": folded, "steady": folded, "cull": folded},
    )
    text = page.drawn(found, 0)
    assert "0.5\nsign-ins and starts a second, 1 errors, told to come back later: 2 times" in text
    assert "| hub | 100.0 | 5.0 % | 200 |" in text
    assert "| servers lost by that | 1 |" in text
    assert "| 6 servers culled, ten at a time | 3 s, 2.0 a second |" in text
    assert "| update_last_activity (app.py) | 90 % | 90 % | 90 % |" in text
    assert "| PostgreSQL: waiting and reading | 60 % | 60 % | 60 % |" in text
