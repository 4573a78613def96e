"""Production's spawner: while Kubernetes does not answer, ask again which pods there are.

Where Kubernetes does not answer just when the hub starts (the machine or its control plane starts
too), KubeSpawner takes every running server for stopped and deletes it, and servers asked for then
end in a timeout; so they do once it was away for a minute. Here the hub goes on asking.

The chart's hub runs this text as hub.extraConfig.spawner of config.dist.yaml, where `nox -s dist`
writes it: it can import nothing else of ours.
"""

from __future__ import annotations

from asyncio import sleep
from typing import Any

from aiohttp import ClientError
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner


class HabariSpawner(KubeSpawner):
    """KubeSpawner that waits a minute and a half for the list of what runs."""

    @property
    def outdated(self) -> bool:
        """Whether the server runs another image than a restart would; the hub's pages may say so.

        Not where its user chose: what they chose may be another one than the default.
        """
        known = self.reflectors.get(self._get_reflector_key("pods"))
        pod = known.pods.get(f"{self.namespace}/{self.pod_name}") if known else None
        if not pod or self.user_options:
            return False
        return bool(pod["spec"]["containers"][0]["image"] != self.image)

    async def _start_reflector(
        self, kind: str, reflector_class: Any, replace: bool = False, **kwargs: Any
    ) -> Any:
        tries = 30
        while True:
            known = self.reflectors.get(self._get_reflector_key(kind))
            loaded, watch = (known.first_load_future, known.watch_task) if known else (None, None)
            failed = loaded and loaded.done() and loaded.exception()
            ended = bool(failed or (watch and watch.done()))
            try:
                return await super()._start_reflector(
                    kind, reflector_class, replace=replace or ended, **kwargs
                )
            except (ApiException, ClientError, OSError):
                if not tries:
                    raise
            tries -= 1
            self.log.warning("Kubernetes gave no list of %s, asking again in 3 s", kind)
            await sleep(3)
