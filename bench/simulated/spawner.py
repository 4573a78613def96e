"""A spawner whose servers are one process that answers for all: bench/simulated/servers.py.

What it costs the hub is what every spawner costs it. Not what KubeSpawner does besides: a pod's
manifest, some requests to Kubernetes for a start, and the watch of all pods.
"""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession
from jupyterhub.spawner import Spawner
from traitlets import Bool, Float, Unicode


class SimulatedSpawner(Spawner):
    """Starts servers by a request; knows by itself if they run, as KubeSpawner's watch does."""

    at = Unicode(config=True, help="HOST:PORT of the process that answers for all.")
    seconds = Float(2.0, config=True, help="Seconds that a start takes.")
    runs = Bool(False, help="Whether it was started and not stopped.")

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.runs = state.get("runs", False)

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), **({"runs": True} if self.runs else {})}

    def clear_state(self) -> None:
        super().clear_state()
        self.runs = False

    async def start(self) -> str:
        """Start it; return its address once it listens."""
        asked = {"name": self.user.name, "env": self.get_env(), "seconds": self.seconds}
        await self._ask("POST", "servers", json=asked)
        self.runs = True
        return f"http://{self.at}"

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 (JupyterHub's)
        """Stop it."""
        await self._ask("DELETE", f"servers/{self.user.name}")
        self.runs = False

    async def poll(self) -> int | None:
        """Return None while it runs, else an exit status."""
        return None if self.runs else 0

    async def _ask(self, method: str, path: str, **more: Any) -> None:
        async with (
            ClientSession() as web,
            web.request(method, f"http://{self.at}/_simulation/{path}", **more) as answer,
        ):
            answer.raise_for_status()
