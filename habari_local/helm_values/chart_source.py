"""Where the chart is: the folder or archive of the settings, or the pinned one, got once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from habari_local.config.settings import Settings
from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.drivers import helm
from habari_local.drivers.install_errors import cause
from habari_local.helm_values.chart import open_chart

# Zero to JupyterHub: what production runs too (config.dist.yaml). Another version: a commit.
REPOSITORY, NAME, VERSION = "https://hub.jupyter.org/helm-chart/", "jupyterhub", "4.4.0"

ARCHIVE = f"{NAME}-{VERSION}.tgz"


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
