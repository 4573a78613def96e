"""Parts of a scratch platform, broken and repaired the same way in every mode."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from habari_local import modes
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.platform.mode import Context, SupportsFaults
from tests.e2e.endpoints import Endpoints, parse
from tests.e2e.hub_client import sign_in
from tests.e2e.server_client import Server, ServerError
from tests.scratch import Scratch


def server_of(endpoints: Endpoints, login: str) -> Server:
    """A running server of somebody who signs in now."""
    person = sign_in(endpoints, login)
    server = Server(person, person.start_server())
    server.enter()
    return server


def works(server: Server, path: str) -> bool:
    """Whether a save goes through, as it must once all is repaired."""
    with suppress(ServerError):
        server.save_text(path, "works again")
        return True
    return False


@dataclass(frozen=True)
class Platform:
    """A scratch checkout whose platform is up in a mode."""

    scratch: Scratch
    mode: str

    @property
    def _broken(self) -> tuple[SupportsFaults, Context]:
        ctx = Context(Checkout(self.scratch.root), Settings(), Secrets(), {})
        return cast(SupportsFaults, modes.get(self.mode)), ctx

    def kill(self, part: str) -> None:
        """End a service, or (as `server`) the one user's server, at once."""
        mode, ctx = self._broken
        mode.kill(ctx, part)

    def freeze(self, part: str) -> None:
        mode, ctx = self._broken
        mode.freeze(ctx, part)

    def thaw(self, part: str) -> None:
        mode, ctx = self._broken
        mode.thaw(ctx, part)

    def recover(self, *flags: str) -> None:
        self.scratch.good("up", *flags)

    @property
    def endpoints(self) -> Endpoints:
        return parse(self.scratch.good("endpoints"), "habari-local endpoints")

    def server_of(self, login: str) -> Server:
        """A running server of somebody who signs in now."""
        return server_of(self.endpoints, login)

    def since(self, service: str) -> object:
        """What changes when a service restarts."""
        if self.mode == "process":
            return self.scratch.service(service).create_time()
        return next(e.since for e in self.scratch.containers(self.mode) if e.service == service)

    def users_running(self) -> set[str]:
        """Whose servers run."""
        found = {each.user for each in self.scratch.found()}
        return {*found, *(each.user for each in self.scratch.containers(self.mode))} - {""}
