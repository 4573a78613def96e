"""Every mode fits the interface, and a new folder is all that a new mode takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from habari_local import modes
from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.platform.mode import Context
from tests.checkouts import copy_locks
from tests.runnable_modes import here
from tests.scratch import must_be_able_to_run

SKETCH = '''"""A sixth mode, sketched in one folder."""
from habari_local.platform.mode import (
    Address, DownResult, Endpoints, S3Endpoint, ServiceStatus, Step,
)


class Sixth:
    name, summary, notes, s3_backend = "sixth", "a sketch", (), "moto"

    def requirements(self): return ()
    def check(self, ctx): pass
    def steps(self, ctx): return [Step("one", "the one step", lambda ctx, say: "done")]
    def endpoints(self, ctx):
        s3 = S3Endpoint(None, "us-east-1", "id", "key", "lake", "notebooks")
        users = {"admin": ["ada"], "allowed": ["grace", "linus"], "denied": ["mallory"]}
        at = {"hub": Address("http://127.0.0.1:1", "http://127.0.0.1:1")}
        return Endpoints("sixth", "http://127.0.0.1:1/", "t", s3, users, None, at, None)
    def status(self, ctx): return [ServiceStatus("one", "running")]
    def services(self, ctx): return ["one"]
    def logs(self, ctx, services, *, follow, lines, since=None): return iter(["one | a line"])
    def data(self, ctx): return ()
    def down(self, ctx, *, wipe): return DownResult((), ())


MODE = Sixth()
'''


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    checkout = Checkout(copy_locks(tmp_path))
    settings = Settings.model_validate({"s3_backend": "moto"})  # as `active` settles what is auto
    return Context(checkout, settings, load_secrets(checkout.state), {"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("name", modes.names())
def test_mode_says_what_it_is(name: str) -> None:
    mode = modes.get(name)
    assert mode.name == name
    assert mode.summary
    assert all(each.needed and each.fix({}) for each in mode.requirements())


@pytest.mark.parametrize("name", modes.names())
def test_steps_are_a_table_of_contents(name: str, ctx: Context) -> None:
    steps = modes.get(name).steps(ctx)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names) > 0
    for place, step in enumerate(steps):
        assert step.title
        assert set(step.after) <= set(names[:place]), "a step stands below what it waits for"


@pytest.mark.parametrize("name", here())
def test_endpoints_fit_their_schema(name: str, ctx: Context) -> None:
    data = json.loads(json.dumps(modes.get(name).endpoints(ctx).as_json()))
    assert data["schema"] == 1
    assert data["mode"] == name
    assert re.fullmatch(r"http://(127\.0\.0\.1|localhost):\d+/", data["hub_url"])
    assert {"lake_bucket", "notebooks_bucket", "region", "endpoint_url"} < set(data["s3"])
    assert data["users"]["admin"]
    assert len(data["users"]["allowed"]) >= 2
    assert data["users"]["denied"]
    for address in data["services"].values():
        assert {"from_host", "from_notebook"} <= set(address)


@pytest.mark.parametrize("name", here())
def test_what_never_was_up_goes_down_and_has_a_status(name: str, ctx: Context) -> None:
    must_be_able_to_run(name)
    mode = modes.get(name)
    for _ in range(2):
        assert mode.down(ctx, wipe=False).stopped == ()
    assert not any(row.good for row in mode.status(ctx))
    assert list(mode.logs(ctx, (), follow=False, lines=5)) == []


def test_a_sixth_mode_is_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ctx: Context
) -> None:
    """The contract and the command line find it, without a line changed elsewhere."""
    folder = tmp_path / "sixth"
    folder.mkdir()
    (folder / "__init__.py").write_text(SKETCH)
    monkeypatch.setattr(modes, "FOLDERS", [*modes.FOLDERS, tmp_path])
    monkeypatch.setattr(modes, "__path__", [*modes.__path__, str(tmp_path)])
    assert "sixth" in modes.names()
    assert modes.get("sixth").summary == "a sketch"
    test_mode_says_what_it_is("sixth")
    test_steps_are_a_table_of_contents("sixth", ctx)
    test_endpoints_fit_their_schema("sixth", ctx)

    from habari_local.cli import app

    shown = CliRunner().invoke(app, ["doctor", "--mode", "sixth"], standalone_mode=False)
    assert shown.exception is None
    assert shown.return_value.data["modes"] == [
        {"mode": "sixth", "default": False, "good": True, "problems": []}
    ]
