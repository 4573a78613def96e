"""Helm: charts fetched and rendered, no cluster asked; and releases in a cluster that is named."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from habari_local.core.errors import CommandFailed, MissingTool
from habari_local.core.subprocesses import Completed, run
from habari_local.drivers import package_manager
from habari_local.drivers.kubernetes.cluster import Cluster

NOT_FOUND = "release: not found"
HISTORY = 5  # revisions that a release keeps in its cluster
HOOKS = "1h"  # the most that hooks may take; who calls ends helm as soon as they can't end
OnLine = Callable[[str], None]


def program(environ: Mapping[str, str]) -> str:
    """Return the path of helm.

    Raises:
        MissingTool: there is none on PATH.
    """
    found = shutil.which("helm", path=environ.get("PATH"))
    if found is None:
        why = "to render and install the chart"
        raise MissingTool("helm", why, package_manager.install_cluster_tool("helm", environ))
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
    schema: bool = True,
) -> str:
    """Return the manifests of a chart; no cluster is asked, `kubernetes` is the version to suit.

    Without `schema`, values that it does not take are rendered all the same.

    Raises:
        CommandFailed: the chart can't be rendered with these values.
    """
    argv = [program(environ), "template", name, str(chart), "--namespace", namespace]
    argv += ["--kube-version", kubernetes, *files(values)]
    argv += [] if schema else ["--skip-schema-validation"]
    hint = "fix what helm says about the values, then repeat the command"
    return run(argv, env=without_cluster(environ), hint=hint, apart=True).output


def files(values: Sequence[Path]) -> list[str]:
    """Return the arguments for files of values, later ones merged over earlier ones."""
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


@dataclass(frozen=True)
class Revision:
    """One state of a release; `status` is Helm's word: deployed, failed, pending-upgrade …"""

    number: int
    status: str
    chart: str
    description: str
    updated: float  # seconds since the epoch

    @property
    def pending(self) -> bool:
        """Whether a helm is at work on it, or was when it was killed."""
        return self.status.startswith("pending") or self.status == "uninstalling"

    @property
    def good(self) -> bool:
        """Whether it was deployed once."""
        return self.status in ("deployed", "superseded")


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
        """Install the chart, or have the release follow it; return when hooks are over, no later.

        Raises:
            CommandFailed: a value or a manifest was refused; the release says so in its history.
            Cancelled: `cancel` was set; the release may be pending then, see `recover`.
        """
        arguments = [str(chart), "--install", "--create-namespace", f"--history-max={HISTORY}"]
        command = ["upgrade", self.name, *arguments, f"--timeout={HOOKS}", *files(values)]
        self._helm(command, on_line=on_line, cancel=cancel)

    def preview(self, chart: Path, values: Sequence[Path], *, pending: bool = False) -> str:
        """Return the manifests that `upgrade` would make; the cluster is asked and not changed.

        Raises:
            CommandFailed: the chart can't be rendered, or the cluster does not take it.
        """
        if pending:  # helm refuses even to try an upgrade of it
            words = ["template", self.name, str(chart), "--dry-run=server", "--is-upgrade"]
            # Helm 4 validates here what the API server validates too, with more words.
            words += ["--no-hooks", "--disable-openapi-validation"]
            return self._helm([*words, *files(values)], apart=True).output
        words = ["upgrade", self.name, str(chart), "--install", "--dry-run=server"]
        done = self._helm([*words, "--output", "json", *files(values)], apart=True)
        return str(json.loads(done.output)["manifest"])

    def manifest(self) -> str:
        """Return the manifests of the newest revision.

        Raises:
            CommandFailed: there is none, or the cluster did not answer.
        """
        return self._helm(["get", "manifest", self.name], apart=True).output

    def hooks(self) -> str:
        """Return the manifests of the newest revision's hooks; none where the release is not.

        Raises:
            CommandFailed: the cluster did not answer.
        """
        try:
            return self._helm(["get", "hooks", self.name], apart=True).output
        except CommandFailed as error:
            if NOT_FOUND not in error.output:
                raise
            return ""

    def values(self) -> dict[str, Any]:
        """Return the values that the newest revision was given. They may hold secrets.

        Raises:
            CommandFailed: there is none, or the cluster did not answer.
        """
        done = self._helm(["get", "values", self.name, "--output", "json"], apart=True)
        found: dict[str, Any] = json.loads(done.output) or {}
        return found

    def others(self) -> list[str]:
        """Return the other releases in the namespace, each with its chart.

        Raises:
            CommandFailed: the cluster did not answer.
        """
        words = ["list", "--output", "json"]
        try:
            done = self._helm([*words, "--all"], apart=True)
        except CommandFailed as error:
            if "unknown flag: --all" not in error.output:
                raise
            done = self._helm(words, apart=True)  # Helm 4 lists releases in every state
        listed = json.loads(done.output)
        return [f"{r['name']} ({r['chart']})" for r in listed if r["name"] != self.name]

    def rollback(self, number: int) -> None:
        """Have the release be again what a revision was, and wait until it runs.

        Raises:
            CommandFailed: the cluster refused, or it does not run after two minutes.
        """
        self._helm(["rollback", self.name, str(number), "--wait", "--timeout", "120s"])

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
            if NOT_FOUND not in error.output:
                raise
            return []
        return [_revision(each) for each in json.loads(done.output)]

    def recover(self, *, cancel: threading.Event | None = None) -> str:
        """Make a release usable again that a killed helm left pending; return what was done.

        Helm refuses every change of a pending release. An upgrade goes back to what was deployed
        before it. Of a first install Helm's record alone is deleted: the next install takes over
        what it made, the hub's database among it. What was being uninstalled is removed.

        Raises:
            CommandFailed: the cluster refused or did not answer.
        """
        revisions = self.history()
        now = revisions[-1] if revisions else None
        if now is None or not now.pending:
            return ""
        good = [each.number for each in revisions if each.good]
        if good and now.status != "uninstalling":
            self._helm(["rollback", self.name, str(good[-1])], cancel=cancel)
            return f"revision {now.number} was {now.status}: back at {good[-1]}"
        if now.status == "uninstalling":
            self._helm(["uninstall", self.name, "--wait"], cancel=cancel)
            return f"revision {now.number} was {now.status}: removed"
        self._forget(now)
        return f"revision {now.number} was {now.status}: what it made is taken over"

    def _forget(self, revision: Revision) -> None:
        """Delete Helm's record of a revision; an install adopts objects that name its release.

        Source: https://helm.sh/docs/topics/advanced/#storage-backends, and "adopt" in
        https://helm.sh/docs/faq/changes_since_helm2/#improved-upgrade-strategy-3-way-strategic-merge-patches
        """
        record = f"sh.helm.release.v1.{self.name}.v{revision.number}"
        Cluster(self.kubeconfig, self.context).delete_secret(self.namespace, record)

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
        env = without_cluster(self.environ)
        return run(argv, env=env, on_line=on_line, cancel=cancel, apart=apart)


def _revision(found: Mapping[str, Any]) -> Revision:
    # Nine digits of a second, of which Python 3.11 reads six.
    when = re.sub(r"(\.\d{6})\d*", r"\1", found["updated"])
    return Revision(
        found["revision"],
        found["status"],
        found["chart"],
        found["description"],
        datetime.fromisoformat(when).timestamp(),
    )
