"""What the dashboard is told of this machine: what was found, and nothing that is secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from habari_local import active_mode
from habari_local.commands import dashboard
from habari_local.config.render import compose, helm, kind
from habari_local.config.secrets import MADE, Secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.redaction import Redaction
from habari_local.diagnosis.evidence import last_errors
from habari_local.drivers.log_files import STARTED
from habari_local.platform.mode import Endpoints

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-that-nobody-may-see"
hidden = Redaction([SECRET])


class Dashboard(HTTPServer):
    """Takes what it is told, and answers with a status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[tuple[str, str | None, Any]] = []
        self.status = 204

    @property
    def endpoints(self) -> Endpoints:
        url = f"http://127.0.0.1:{self.server_port}/"
        return cast(Endpoints, SimpleNamespace(hub_url=url, hub_api_token="token", hub=True))


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Dashboard]:
    with Dashboard() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def mode_of(server: Dashboard, **more: Any) -> Any:
    return SimpleNamespace(name="process", endpoints=lambda _: server.endpoints, **more)


CTX: Any = SimpleNamespace(
    checkout=SimpleNamespace(), secrets={"hub_api_token": SECRET}, settings=None, environ={}
)


def test_it_is_told_with_the_tools_token(server: Dashboard) -> None:
    assert dashboard.publish(server.endpoints, {"services": []}) == 204
    ((path, token, facts),) = server.told
    assert path == "/services/dashboard/api/facts"
    assert (token, facts) == ("token token", {"services": []})


def test_nobody_there_is_no_error(server: Dashboard) -> None:
    where = server.endpoints
    server.server_close()
    assert dashboard.publish(where, {"services": []}) == 0


@pytest.mark.parametrize(("up", "count"), [("process", 1), ("hub", 0), (None, 0)])
def test_a_verb_tells_it_only_of_what_is_up(
    server: Dashboard, monkeypatch: pytest.MonkeyPatch, up: str | None, count: int
) -> None:
    monkeypatch.setattr(active_mode, "active_mode", lambda _: up)
    dashboard.tell(mode_of(server), CTX, lambda: {"services": []})
    assert len(server.told) == count


def test_logs_are_by_service_and_user_and_without_secrets() -> None:
    lines = [
        "hub             | [I 12:00:00] up",
        f"hub             | [E 2026] token={SECRET}",
        "server of grace | grace's own",
    ]
    mode: Any = SimpleNamespace(services=lambda _: ["hub", "s3"], logs=lambda *_, **__: lines)
    found = dashboard.logs(mode, CTX, hidden)
    assert list(found["logs"]) == ["hub", "grace"]
    assert found["errors"] == {"hub": [found["logs"]["hub"][1]], "s3": []}
    assert SECRET not in json.dumps(found)


def test_errors_are_of_the_present_life_and_no_warnings() -> None:
    lines = ["ValueError: old", f"{STARTED}hub ---", "[W 1] careful", "[I 2] fine", "[E 3] no"]
    assert last_errors(lines) == ["[E 3] no"]


def test_a_diagnosis_is_told_without_secrets() -> None:
    check = {"name": "s3", "state": "broken", "message": f"key {SECRET}", "seconds": 1.0}
    found = {"good": False, "broken": "s3", "checks": [check], "try": "habari-local logs s3"}
    told = dashboard.diagnosis(found, hidden)["why"]
    assert told["try"] == "habari-local logs s3"
    assert told["message"].startswith("key ")
    assert SECRET not in json.dumps(told)


def test_the_last_report_is_told_by_its_counts(tmp_path: Path) -> None:
    mode: Any = SimpleNamespace(name="process")
    ctx: Any = SimpleNamespace(checkout=SimpleNamespace(report=tmp_path, root=tmp_path))
    assert dashboard.report(mode, ctx, hidden) == {}
    checks = [
        {"id": "a", "title": "A", "outcome": "passed", "message": ""},
        {"id": "b", "title": "B", "outcome": "failed", "message": f"saw {SECRET}"},
        {"id": "c", "title": "C", "outcome": "not applicable", "message": ""},
    ]
    run = {"started": "2026-11-30T12:00:00+00:00", "ended": True, "checks": checks}
    (tmp_path / "results-process.json").write_text(json.dumps(run))
    told = dashboard.report(mode, ctx, hidden)["report"]
    assert (told["passed"], told["failed"], told["left_out"]) == (1, 1, 1)
    assert [each["id"] for each in told["failures"]] == ["b"]
    assert SECRET not in json.dumps(told)


def follow(server: Dashboard, **more: Any) -> list[str]:
    mode = mode_of(server, status=lambda _: [], services=lambda _: [], **more)
    return list(dashboard.follow(mode, CTX, lambda: "opened"))


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform is up for two rounds, of which only the services are looked at."""
    up = iter(["process", "process", None])
    monkeypatch.setattr(active_mode, "active_mode", lambda _: next(up))
    monkeypatch.setattr(dashboard, "EVERY", {"services": 0.0})
    monkeypatch.setattr(dashboard, "COST", 0)
    monkeypatch.setattr(dashboard, "PAUSE", 0.0)
    monkeypatch.setattr("habari_local.commands.bundle.known_secrets", lambda _: [SECRET])


@pytest.mark.usefixtures("rounds")
def test_it_is_told_until_the_platform_is_down(server: Dashboard) -> None:
    said = follow(server)
    assert said[0] == "opened"
    assert said[-1] == "Mode process is down."
    assert [facts for _, _, facts in server.told] == [{"services": []}] * 2


@pytest.mark.usefixtures("rounds")
def test_a_dashboard_that_is_away_is_tried_again(server: Dashboard) -> None:
    server.status = 503
    assert "Trying again: the dashboard does not answer." in follow(server)
    assert len(server.told) == 2


@pytest.mark.usefixtures("rounds")
def test_a_hub_without_one_is_named(server: Dashboard) -> None:
    server.status = 404
    with pytest.raises(HabariError, match="answered 404") as caught:
        follow(server)
    assert caught.value.hint == "habari-local up"


def test_a_clusters_hub_is_given_all_of_it_where_its_configuration_looks() -> None:
    folder = ROOT / "hub" / "habari_dashboard"
    made = kind.dashboard(folder)
    assert set(made["data"]) == {each.name for each in folder.iterdir() if each.is_file()}
    secrets = Secrets(dict.fromkeys(MADE, "made-up"))
    values = {v.path: v.value for v in helm.values(Settings(), secrets, {}, {})}
    mounts = {each["name"]: each["mountPath"] for each in values["hub", "extraVolumeMounts"]}
    code = values["hub", "extraConfig", "dashboard"]
    assert f"sys.path.insert(0, '{Path(mounts[made['metadata']['name']]).parent}')" in code
    assert Path(mounts[made["metadata"]["name"]]).name == "habari_dashboard"


def test_in_compose_it_listens_where_the_proxy_is_and_users_are_not() -> None:
    hub = YAML(typ="safe").load(ROOT / "compose" / "hub.yml")["services"]["hub"]
    networks = hub["networks"]
    host = compose.dashboard(Settings())["HABARI_DASHBOARD_BIND"].partition(":")[0]
    assert [name for name, more in networks.items() if more] == ["control"]
    assert networks["control"] == {"aliases": [host]}
