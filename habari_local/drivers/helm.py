"""Helm: charts got and rendered, and one release in one cluster that is always named."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habari_local.errors import CommandFailed, MissingTool
from habari_local.run import Completed, run

INSTALL = "https://helm.sh/docs/intro/install/ says how to install it"
HISTORY = 5  # revisions that a release keeps in its cluster
ABOUT_CLUSTERS = (
    *("KUBECONFIG", "KUBERNETES_"),
    *("HELM_KUBE", "HELM_NAMESPACE", "HELM_DRIVER", "HELM_DEBUG"),
)
OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Revision:
    """One state of a release; `status` is Helm's word: deployed, failed, pending-upgrade …"""

    number: int
    status: str
    chart: str
    says: str


def program(environ: Mapping[str, str]) -> str:
    """Return the path of helm.

    Raises:
        MissingTool: there is none on PATH.
    """
    found = shutil.which("helm", path=environ.get("PATH"))
    if found is None:
        raise MissingTool("helm", "to render and install the chart", INSTALL)
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
    run(argv, env=_without_cluster(environ), cancel=cancel)


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
    argv += ["--kube-version", kubernetes, *_files(values)]
    hint = "mend what helm says of the values, then repeat the command"
    return run(argv, env=_without_cluster(environ), cancel=cancel, hint=hint, apart=True).output


@dataclass(frozen=True)
class Release:
    """One release in one cluster.

    `kubeconfig` and `context` go with every call: what the environment or the user's own
    kubeconfig say of clusters is never looked at.
    """

    name: str
    namespace: str
    kubeconfig: Path
    context: str
    environ: Mapping[str, str]

    def upgrade(
        self,
        chart: Path,
        values: Sequence[Path],
        *,
        on_line: OnLine | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Install the chart, or have the release follow it; return as soon as the cluster knows.

        Raises:
            CommandFailed: a value or a manifest was refused; the release says so in its history.
            Cancelled: `cancel` was set; the release may be pending then, see `mend`.
        """
        arguments = [str(chart), "--install", "--create-namespace", f"--history-max={HISTORY}"]
        command = ["upgrade", self.name, *arguments, *_files(values)]
        self._helm(command, on_line=on_line, cancel=cancel)

    def uninstall(self, *, cancel: threading.Event | None = None) -> bool:
        """Remove the release and all that it made, wait until it is gone; return if there was one.

        Raises:
            CommandFailed: the cluster refused or did not answer.
        """
        if self.status() is None:
            return False
        self._helm(["uninstall", self.name, "--wait"], cancel=cancel)
        return True

    def status(self) -> Revision | None:
        """Return the newest revision; None where the release is not.

        Raises:
            CommandFailed: the cluster did not answer.
        """
        revisions = self.history()
        return revisions[-1] if revisions else None

    def history(self) -> list[Revision]:
        """Return the revisions that the cluster keeps, oldest first.

        Raises:
            CommandFailed: the cluster did not answer.
        """
        try:
            done = self._helm(["history", self.name, "--output", "json"], apart=True)
        except CommandFailed as error:
            if "release: not found" in error.output:
                return []
            raise
        return [_revision(each) for each in json.loads(done.output)]

    def mend(self, *, cancel: threading.Event | None = None) -> str:
        """Make a release usable again that a killed helm left pending; return what was done.

        Helm refuses every change of a pending release. An upgrade goes back to what was deployed
        before it. A first install is removed: nobody has used it yet; so is what was going to be.

        Raises:
            CommandFailed: the cluster refused or did not answer.
        """
        revisions = self.history()
        now = revisions[-1] if revisions else None
        if now is None or not (now.status.startswith("pending") or now.status == "uninstalling"):
            return ""
        good = [each.number for each in revisions if each.status in ("deployed", "superseded")]
        if good and now.status != "uninstalling":
            self._helm(["rollback", self.name, str(good[-1])], cancel=cancel)
            return f"revision {now.number} was {now.status}: back at {good[-1]}"
        self._helm(["uninstall", self.name, "--wait"], cancel=cancel)
        return f"revision {now.number} was {now.status}: removed"

    def _helm(
        self,
        arguments: Sequence[str],
        *,
        on_line: OnLine | None = None,
        cancel: threading.Event | None = None,
        apart: bool = False,
    ) -> Completed:
        cluster = ["--kubeconfig", str(self.kubeconfig), "--kube-context", self.context]
        argv = [program(self.environ), *arguments, "--namespace", self.namespace, *cluster]
        env = _without_cluster(self.environ)
        return run(argv, env=env, on_line=on_line, cancel=cancel, apart=apart)


def _files(values: Sequence[Path]) -> list[str]:
    return [word for each in values for word in ("--values", str(each))]


def _without_cluster(environ: Mapping[str, str]) -> dict[str, str]:
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


def _revision(found: Mapping[str, Any]) -> Revision:
    return Revision(found["revision"], found["status"], found["chart"], found["description"])
