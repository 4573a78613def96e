"""kind by its program: making and deleting a cluster, with a kubeconfig of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from habari_local.core.subprocesses import run


@dataclass(frozen=True)
class Kind:
    """kind with all that it must not find out by itself: the kubeconfig is never the user's."""

    program: Path
    cluster: str
    kubeconfig: Path
    environ: Mapping[str, str]

    @property
    def context(self) -> str:
        """The name that kind gives the cluster's context."""
        return f"kind-{self.cluster}"

    def create(
        self,
        config: Path,
        image: str,
        *,
        on_line: Callable[[str], None],
        cancel: threading.Event,
    ) -> None:
        """Make the cluster; kind takes away a half-made one.

        Raises:
            CommandFailed: it could not be made.
            Cancelled: `cancel` was set.
        """
        self._run("create", "cluster", "--config", str(config), "--image", image, on_line, cancel)

    def delete(self) -> None:
        """Delete the cluster with all that is on it; none there is fine."""
        self._run("delete", "cluster", None, None)

    def export(self) -> None:
        """Write the kubeconfig of a cluster that is there."""
        self._run("export", "kubeconfig", None, None)

    def _run(self, *arguments: object) -> None:
        *words, on_line, cancel = arguments
        argv = [str(self.program), *map(str, words)]
        argv += ["--name", self.cluster, "--kubeconfig", str(self.kubeconfig)]
        run(
            argv,
            env=self.environ,
            on_line=on_line,  # type: ignore[arg-type]
            cancel=cancel,  # type: ignore[arg-type]
            hint="habari-local doctor --mode kind",
        )
