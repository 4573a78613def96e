"""The interface of modes out of which people's things can be taken, and put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, runtime_checkable

from habari_local.platform.mode import Context


@dataclass(frozen=True)
class Home:
    """Somebody's home; `about` is what its mode needs to make it again where it is not."""

    owner: str
    about: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class SupportsBackup(Protocol):
    """A mode out of which homes and the hub's database can be taken, and put back.

    What `put_home` and `put_database` read, the same mode's `take_…` wrote.
    """

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there."""

    def take_home(self, ctx: Context, home: Home, into: IO[bytes]) -> None:
        """Write all that is in a home; its owner's server may run."""

    def put_home(self, ctx: Context, home: Home, source: IO[bytes]) -> None:
        """Make a home unless it is there, and lay what was taken over what is in it."""

    def take_database(self, ctx: Context, into: IO[bytes]) -> bool:
        """Write the hub's database as it is at one moment; False: it is kept by somebody else."""

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put a database in the place of the hub's, which is stopped for it; `up` starts it."""
