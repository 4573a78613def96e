"""The chart: the one of the settings or the pinned one, downloaded once; its values and schema."""

from __future__ import annotations

import json
import shlex
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from habari_local.config.settings import Settings
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import CommandFailed, HabariError, pasteable
from habari_local.core.versions import pinned
from habari_local.drivers import helm
from habari_local.drivers.install_errors import cause
from habari_local.helm_values.values import parse

# Zero to JupyterHub: what production runs too (config.dist.yaml).
REPOSITORY = "https://hub.jupyter.org/helm-chart/"
NAME, VERSION = pinned("chart", "name"), pinned("chart")
ARCHIVE = f"{NAME}-{VERSION}.tgz"
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

    def templates(self) -> list[str]:
        """Return the texts of the chart's templates."""
        return list(_templates(self.path))

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


def _templates(path: Path) -> Iterator[str]:
    if path.is_dir():
        files = (each for each in sorted((path / "templates").rglob("*")) if each.is_file())
        yield from (each.read_text(encoding="utf-8", errors="replace") for each in files)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if PurePosixPath(member.name).parts[1:2] == ("templates",) and member.isfile():
                file = archive.extractfile(member)
                yield file.read().decode(errors="replace") if file else ""


def _no_chart(path: Path, seen: str) -> HabariError:
    return HabariError(
        f"Chart {path}: {seen}, a chart's folder or archive was expected.",
        pasteable("ls", "-la", path),
    )


def chart_path(
    settings: Settings,
    root: Path,
    environ: Mapping[str, str],
    *,
    cancel: threading.Event | None = None,
) -> Path:
    """Return the folder or archive of the chart; a relative HABARI_CHART is seen from `root`.

    The pinned chart is got into the cache of the user, once for all checkouts.

    Raises:
        HabariError: there is no chart there, or it can't be got; nothing half-made is left.
        MissingTool: it must be got, and there is no helm.
    """
    if settings.chart:
        return open_chart((root / Path(settings.chart).expanduser()).resolve()).path
    archive = pinned_archive(environ)
    if not archive.is_file():
        _get(archive, environ, cancel)
    return archive


def production_values(root: Path) -> Path:
    """Return the file of production's values: config.yaml, or what it is copied from."""
    own = root / "config.yaml"
    return own if own.exists() else root / "config.dist.yaml"


def pinned_archive(environ: Mapping[str, str]) -> Path:
    """Return where the archive of the pinned chart is, once it was got."""
    return cache_dir(environ) / ARCHIVE


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of charts that were got."""
    home = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "~")) / ".cache")
    return Path(home).expanduser() / "habari-local" / "charts"


def _get(archive: Path, environ: Mapping[str, str], cancel: threading.Event | None) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with atomic_dir(archive.parent) as folder:  # however many calls get it at once
        try:
            helm.pull(REPOSITORY, NAME, VERSION, folder, environ, cancel=cancel)
        except CommandFailed as error:
            found = cause(error.output, archive.parent, environ)
            seen = found.seen if found else f"{REPOSITORY} did not give it"
            again = " ".join(helm.pulling(REPOSITORY, NAME, VERSION, archive.parent))
            raise HabariError(
                f"Chart {NAME} {VERSION}: {seen}, its archive was expected.",
                found.hint if found else again,
                details=error.details[1:],
            ) from error
        got = open_chart(folder / archive.name).path
        got.replace(archive)
