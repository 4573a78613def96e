"""Production's hub notices by itself, and soon, that its proxy was restarted."""

from __future__ import annotations

import pytest
from browser import signed_in
from rig import CONFIG, ROOT, Rig, wait_until

CODE = ROOT / "hub" / "habari_hub" / "production_proxy.py"
# Production's text as the chart runs it. JupyterHub's own look at all routes comes once an hour:
# what is back before that is the watch's work.
PRODUCTION = f"""
load_subconfig({str(CONFIG)!r})
exec(open({str(CODE)!r}).read())
c.JupyterHub.proxy_class = HabariProxy
c.JupyterHub.last_activity_interval = 3600
c.HabariProxy.watch_interval = 0.2
"""


@pytest.fixture(scope="module")
def production(idle_rig: Rig) -> Rig:
    """The hub with production's proxy."""
    config = idle_rig.folder / "production.py"
    config.write_text(PRODUCTION)
    idle_rig.start_hub(config)
    return idle_rig


def restart_proxy(rig: Rig) -> None:
    """Kill the proxy; another one comes, which knows no route."""
    rig.end("proxy", kill=True)
    rig.start_proxy()
    wait_until(rig.proxy_answers, 10)


def test_the_hub_is_back_where_no_server_runs(production: Rig) -> None:
    restart_proxy(production)
    wait_until(lambda: production.api("GET", "/").status_code == 200, 20)


def test_servers_are_back_and_all_are_asked_for_once(production: Rig) -> None:
    grace = signed_in(production, "grace")
    grace.start_server("grace")
    assert grace.open_server("grace").status_code == 200
    before = production.log("proxy").count("200 GET /api/routes \n")
    restart_proxy(production)
    wait_until(lambda: grace.get("/user/grace/api/contents").status_code == 200, 20)
    again = "The proxy has lost its routes"
    assert production.log("hub").count(again) == 2, "once for each of the two restarts"
    assert production.log("proxy").count("200 GET /api/routes \n") == before + 1
    production.api("DELETE", "/users/grace/server")


def test_a_proxy_that_is_away_is_asked_again(production: Rig) -> None:
    grace = signed_in(production, "grace")
    grace.start_server("grace")
    assert grace.open_server("grace").status_code == 200
    production.end("proxy", kill=True)
    wait_until(lambda: "The proxy does not answer" in production.log("hub"), 20)
    production.start_proxy()
    wait_until(production.proxy_answers, 30)
    wait_until(lambda: grace.get("/user/grace/api/contents").status_code == 200, 30)
