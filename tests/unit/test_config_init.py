"""`config init --production`: answers in their places, all else as it was."""

from __future__ import annotations

import difflib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from habari_local.cli import main
from habari_local.core.errors import HabariError
from habari_local.helm_values.init_values import QUESTIONS, fill_values
from habari_local.helm_values.values import at, parse
from habari_local.helm_values.yaml_edit import set_values
from tests.checkouts import work_on
from tests.unit.test_config_check import ANSWERS, DIST, ROOT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout with config.dist.yaml alone."""
    (tmp_path / "config.dist.yaml").write_text(DIST, encoding="utf-8")
    work_on(tmp_path, monkeypatch)
    return tmp_path


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


def test_without_an_answer_it_is_the_same_byte_for_byte() -> None:
    assert fill_values(DIST, {}) == DIST


def test_answers_stand_in_their_places_and_comments_where_they_were() -> None:
    text = fill_values(DIST, {**ANSWERS, "admins": "ada,grace,linus"})
    assert comments(text) == comments(DIST)
    data = parse(text, "it").data
    github = data["hub"]["config"]["GitHubOAuthenticator"]
    assert github["oauth_callback_url"] == "https://habari.my-team.org/hub/oauth_callback"
    assert github["admin_users"] == ["ada", "grace", "linus"]
    assert github["allowed_users"] == ["grace", "linus"]
    assert data["ingress"]["hosts"] == data["ingress"]["tls"][0]["hosts"] == [ANSWERS["host"]]
    image = data["singleuser"]["image"]
    assert f"{image['name']}:{image['tag']}" == ANSWERS["image"]
    folders = at(data, ("singleuser", "extraEnv", "HABARI_CONTENTS_FOLDERS"))
    assert json.loads(folders.replace("{{", "{").replace("}}", "}")) == {
        "lake": {"bucket": "my-lake", "prefix": "", "checkpoints": "off"},
        "notebooks": {"bucket": "my-notebooks", "prefix": ""},
    }
    assert data["singleuser"]["extraEnv"]["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_what_helm_would_read_as_something_else_is_quoted() -> None:
    odd = {"client-id": "012345", "admins": "no,on,123", "lake": "1e5", "image": "a/b:0123"}
    data = parse(fill_values(DIST, odd), "it").data
    assert data["hub"]["config"]["GitHubOAuthenticator"]["client_id"] == "012345"
    assert data["hub"]["config"]["GitHubOAuthenticator"]["admin_users"] == ["no", "on", "123"]
    assert data["singleuser"]["extraEnv"]["HABARI_LAKE_BUCKET"] == "1e5"
    assert data["singleuser"]["image"]["tag"] == "0123"


def test_every_question_is_answered_in_these_tests() -> None:
    assert set(ANSWERS) == set(QUESTIONS)


@pytest.mark.parametrize(
    "answer",
    [
        "host=https://a.b",
        "host=localhost",
        "users=a b!,",
        "image=habari:1",
        "lake=A",
        "who=me",
        "x",
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_made(checkout: Path, answer: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["config", "init", "--production", "--answer", answer])
    assert ended.value.code == 2
    assert not (checkout / "config.yaml").exists()


def test_made_for_its_owner_alone_and_never_written_over(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "config.yaml"
    for code in (0, 1):
        with pytest.raises(SystemExit) as ended:
            main(["config", "init", "--production", "--answer", f"host={ANSWERS['host']}"])
        assert ended.value.code == code
        assert path.stat().st_mode & 0o777 == 0o600
    assert "config.yaml: already exists" in capsys.readouterr().err
    assert "/config.yaml" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_on_a_terminal_what_is_not_known_is_asked_for(checkout: Path) -> None:
    """A wrong answer is asked for again, an empty one leaves the placeholder."""
    controller, terminal = pty.openpty()
    answers = ["Ov23li", "not a name!", "ada", "", "", "", "", ""]
    os.write(controller, "".join(f"{each}\n" for each in answers).encode())
    script = "import habari_local.core.paths, sys, pathlib; from habari_local.cli import main;"
    script += f"habari_local.core.paths.PACKAGE = pathlib.Path({str(checkout / 'x')!r});"
    script += f"main(['config', 'init', '--production', '--answer', 'host={ANSWERS['host']}'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )
    os.close(terminal)
    os.close(controller)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("GitHub names of the admins") == 2
    made = (checkout / "config.yaml").read_text(encoding="utf-8")
    assert made == fill_values(
        DIST, {"host": ANSWERS["host"], "client-id": "Ov23li", "admins": "ada"}
    )  # fmt: skip


def test_a_value_that_is_set_leaves_the_rest_as_people_wrote_it() -> None:
    text = (
        "# mine\na:\n- x   # one\n- z\nsingleuser:  # of users\n"
        "  image: {name: 'old', tag: 1}\n# end\n"
    )
    image = ("singleuser", "image")
    new = set_values(text, "it", {(*image, "name"): "n", (*image, "tag"): "t", ("b", "c"): 1})
    assert parse(new, "it").data == {
        "a": ["x", "z"], "singleuser": {"image": {"name": "n", "tag": "t"}}, "b": {"c": 1}
    }  # fmt: skip
    gone = [line for line in difflib.ndiff(text.splitlines(), new.splitlines()) if line[0] == "-"]
    assert gone == ["-   image: {name: 'old', tag: 1}"]
    with pytest.raises(HabariError, match="it: a is no map"):
        set_values(text, "it", {("a", "b"): 1})
