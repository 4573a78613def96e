"""What is written to .env files is read as it was, by each of its readers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from habari_local.config.render.compose import as_dotenv

VALUES = {
    "PLAIN": "a b",
    "DOLLAR": "$HOME ${HOME}",
    "QUOTES": """it's "quoted" """,
    "BACKSLASH": r"C:\new 'one' \\two",
    "JSON": json.dumps(['/tmp/hä "x"/project:/home:rw']),
    "EMPTY": "",
}


def test_python_dotenv_reads_what_was_written() -> None:
    assert dotenv_values(stream=io.StringIO(as_dotenv(VALUES)), interpolate=False) == VALUES


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker on PATH: apt install docker.io")
def test_compose_reads_what_was_written(tmp_path: Path) -> None:
    both = {**VALUES, "BOTH": r"\$HOME \\"}
    (tmp_path / "given.env").write_text(as_dotenv(both), encoding="utf-8")
    file = tmp_path / "compose.yml"
    file.write_text("services: {one: {image: none, env_file: given.env}}", encoding="utf-8")
    command = ["docker", "compose", "--file", str(file), "config", "--format", "json"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    read = json.loads(said)["services"]["one"]["environment"]
    # `config` writes what Compose would read again: each $ twice.
    assert {name: value.replace("$$", "$") for name, value in read.items()} == both
