"""Helm: its program, and charts got and rendered; no cluster is asked anything."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from habari_local.core.errors import MissingTool
from habari_local.core.subprocesses import run
from habari_local.drivers import cluster_tools


def program(environ: Mapping[str, str]) -> str:
    """Return the path of helm.

    Raises:
        MissingTool: there is none on PATH.
    """
    found = shutil.which("helm", path=environ.get("PATH"))
    if found is None:
        why = "to render and install the chart"
        raise MissingTool("helm", why, cluster_tools.install("helm", environ))
    return found


def pull(
    repository: str,
    name: str,
    version: str,
    folder: Path,
    environ: Mapping[str, str],
    *,
    cancel: threading.Event | None = None,
) -> None:
    """Get a chart's archive into `folder`.

    Raises:
        CommandFailed: the repository could not be reached, or does not have it.
    """
    argv = [program(environ), *pulling(repository, name, version, folder)[1:]]
    run(argv, env=without_cluster(environ), cancel=cancel)


def pulling(repository: str, name: str, version: str, folder: Path) -> list[str]:
    """Return the command that gets a chart's archive, as a person would type it."""
    wanted = ["--repo", repository, "--version", version, "--destination", str(folder)]
    return ["helm", "pull", name, *wanted]


def template(
    chart: Path,
    values: Sequence[Path],
    environ: Mapping[str, str],
    *,
    name: str,
    namespace: str,
    kubernetes: str,
    cancel: threading.Event | None = None,
) -> str:
    """Return the manifests of a chart; no cluster is asked, `kubernetes` is the version to suit.

    Raises:
        CommandFailed: the chart can't be rendered with these values.
    """
    argv = [program(environ), "template", name, str(chart), "--namespace", namespace]
    argv += ["--kube-version", kubernetes, *files(values)]
    hint = "mend what helm says of the values, then repeat the command"
    return run(argv, env=without_cluster(environ), cancel=cancel, hint=hint, apart=True).output


def files(values: Sequence[Path]) -> list[str]:
    """Return the arguments for files of values, later ones laid over earlier ones."""
    return [word for each in values for word in ("--values", str(each))]


def without_cluster(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without a word about clusters and what is in them."""
    about = (
        "KUBECONFIG",
        "HELM_KUBE",
        "HELM_NAMESPACE",
        "HELM_DRIVER",
        "HELM_DEBUG",
        "KUBERNETES_",
    )
    return {name: value for name, value in environ.items() if not name.startswith(about)}
