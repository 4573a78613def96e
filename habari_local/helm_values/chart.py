"""A chart as it lies on disk, a folder or an archive: its name, its own values, its schema."""

from __future__ import annotations

import json
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from habari_local.core.errors import HabariError, pasteable
from habari_local.helm_values.values import parse

SCHEMA = "values.schema.json"


@dataclass(frozen=True)
class Chart:
    """A chart; its name is what it says of itself, whatever its file is called."""

    path: Path
    name: str
    version: str
    app_version: str

    @property
    def title(self) -> str:
        """What people are told that runs: name and version."""
        return f"{self.name} {self.version}"

    def defaults(self) -> dict[str, Any]:
        """Return the chart's own values."""
        return parse(_read(self.path, "values.yaml") or "", f"{self.title}: values.yaml").data

    def schema(self) -> dict[str, Any]:
        """Return the schema that the chart's values must fit.

        Raises:
            HabariError: the chart has none, as a checkout of Zero to JupyterHub at first.
        """
        text = _read(self.path, SCHEMA)
        if text is None:
            raise HabariError(
                f"Chart {self.path}: no {SCHEMA} in it, one was expected.",
                f"cd {shlex.quote(str(self.path.parent))} && python tools/generate-json-schema.py",
            )
        found: dict[str, Any] = json.loads(text)
        return found


def open_chart(path: Path) -> Chart:
    """Return the chart in a folder or an archive.

    Raises:
        HabariError: there is nothing, or no chart.
    """
    if not path.exists():
        raise _no_chart(path, "not there")
    text = _read(path, "Chart.yaml")
    if text is None:
        raise _no_chart(path, "no Chart.yaml in it")
    about = parse(text, f"{path}: Chart.yaml").data
    name, version = about.get("name"), about.get("version")
    if not (name and version):
        raise _no_chart(path, "no name and version in its Chart.yaml")
    return Chart(path, str(name), str(version), str(about.get("appVersion", "")))


def _read(path: Path, name: str) -> str | None:
    if path.is_dir():
        file = path / name
        return file.read_text(encoding="utf-8") if file.is_file() else None
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if PurePosixPath(member.name).parts[1:] == (name,):
                    file_in = archive.extractfile(member)
                    return file_in.read().decode() if file_in else None
    except tarfile.TarError as error:
        raise _no_chart(path, f"no archive ({error})") from error
    return None


def _no_chart(path: Path, seen: str) -> HabariError:
    return HabariError(
        f"Chart {path}: {seen}, a chart's folder or archive was expected.",
        pasteable("ls", "-la", path),
    )
