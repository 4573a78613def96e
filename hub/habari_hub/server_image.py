"""Which image a user's server was started from, and whether that is still the one to start from."""

from __future__ import annotations

from typing import Any

from traitlets import HasTraits, Unicode


class KnowsItsImage(HasTraits):
    """What a spawner is beside its own class: it remembers the image of the server that runs."""

    started_from = Unicode("", help="What `image_now` was when the server was started.")

    def image_now(self) -> str:
        """Return what the next server is started from; empty: not known."""
        raise NotImplementedError

    @property
    def outdated(self) -> bool:
        """Whether the server runs what a restart would replace; the hub's pages say so."""
        return bool(self.started_from) and self.image_now() not in ("", self.started_from)

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what an earlier hub knew."""
        super().load_state(state)  # type: ignore[misc]
        self.started_from = state.get("started_from", "")

    def get_state(self) -> dict[str, Any]:
        """Return what the next hub will know."""
        state: dict[str, Any] = super().get_state()  # type: ignore[misc]
        return {**state, "started_from": self.started_from} if self.started_from else state

    async def start(self) -> Any:
        """Start the server, and remember from what."""
        self.started_from = self.image_now()
        return await super().start()  # type: ignore[misc]
