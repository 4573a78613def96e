"""Images made by, and readable for, accounts that are not root."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from habari_local.core.errors import MissingTool
from habari_local.drivers import mmdebstrap

ROOT = Path(__file__).resolve().parents[2]


def test_who_is_not_root_is_told_of_what_gives_files_their_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("mmdebstrap", "apt-get"):
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(os, "getuid", lambda: 1001)
    with pytest.raises(MissingTool, match="newuidmap: not found") as told:
        mmdebstrap.bootstrap(tmp_path, tmp_path, "trixie", "", {"PATH": str(tmp_path)})
    assert told.value.hint.endswith("mmdebstrap uidmap")


@pytest.mark.parametrize(
    "file", [*sorted(ROOT.glob("*/Dockerfile")), *sorted(ROOT.glob("images/*/Dockerfile"))]
)
def test_what_is_copied_from_a_checkout_can_be_read_by_who_is_not_root(file: Path) -> None:
    """COPY keeps the mode of files, and after `umask 077` they are their owner's alone."""
    last = re.split(r"^FROM .*$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[-1]
    if not re.search(r"^USER (?!root)", last, re.MULTILINE):
        return  # root reads it in any case
    opened = re.findall(r"^RUN chmod -R a\+rX (.+)$", last, re.MULTILINE)
    folders = [folder for line in opened for folder in line.split()]
    for copied in re.findall(r"^COPY (?!--from)(.+)$", last, re.MULTILINE):
        target = copied.split()[-1]
        assert "--chmod=" in copied or any(target.startswith(each) for each in folders), copied
