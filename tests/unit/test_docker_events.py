"""`up --watch` goes on after an edit that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
import watchfiles

from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.modes.nohub import MODE
from habari_local.platform.mode import Context, Step


def test_a_broken_edit_is_told_and_the_next_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = Checkout(tmp_path)
    ctx = Context(checkout, Settings(), load_secrets(checkout.state), {})
    edit = {(watchfiles.Change.modified, str(tmp_path / "jupyter" / "Dockerfile"))}
    monkeypatch.setattr(watchfiles, "watch", lambda *_, **__: iter([edit, edit]))
    failures = [HabariError("Image notebook: line 3 failed, 0 was expected.", "x", 1, ["its log"])]

    def bring_up(*_: object) -> str:
        if failures:
            raise failures.pop()
        return "made"

    monkeypatch.setattr(MODE, "steps", lambda _: [Step("images", "images", bring_up)])
    said = list(MODE.watch(ctx))
    assert "its log" in said
    assert "Dockerfile: not in effect. Image notebook: line 3 failed, 0 was expected." in said
    assert said[-1].startswith("Dockerfile: in effect after")
