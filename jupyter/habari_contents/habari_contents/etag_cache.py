"""The ETag that this server last showed of each S3 file, which makes saves conditional.

JupyterLab sends a save without a hash. What it means is "over the version that I last saw", so that
version's ETag is remembered here, by path, and the save carries it as If-Match.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from habari_contents.content import Fingerprint
from habari_contents.types import ETag, Item, Stat

ABSENT = ETag()
MAX_REMEMBERED = 4096
FRESH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Shown:
    """A version as it was shown: its ETag, and the time of change that it was shown with."""

    etag: ETag
    modified: datetime | None = None


class EtagCache:
    """ETags by API path, the least recently used forgotten first.

    A version keeps the time that it was first shown with, as on a disk: S3 has another one after a
    rename, and may have another second than its answer to a save. jupyter-collaboration takes a
    new time for a change by somebody else, and drops what was typed meanwhile.
    """

    def __init__(self) -> None:
        self._etags: OrderedDict[str, _Shown] = OrderedDict()
        self._saved: dict[str, tuple[float, Stat]] = {}
        self._unconfirmed: dict[str, Fingerprint] = {}
        self._written: OrderedDict[str, None] = OrderedDict()

    def get(self, path: str) -> ETag | None:
        """The ETag last served for the path; ABSENT if that was a 404, None if nothing is known."""
        known = self._etags.get(path)
        return None if known is None else known.etag

    def as_shown(self, path: str, stat: Stat) -> Stat:
        """The facts with the time that this version was shown with before."""
        known = self._etags.get(path)
        if known is None or known.modified is None or known.etag != stat.etag:
            return stat
        return replace(stat, modified=known.modified)

    def remember(self, path: str, etag: ETag, modified: datetime | None = None) -> None:
        """The version that was just served for the path, and the time that it was shown with."""
        self._etags[path] = _Shown(etag, modified)
        self._etags.move_to_end(path)
        while len(self._etags) > MAX_REMEMBERED:
            self._etags.popitem(last=False)

    def remember_saved(self, path: str, stat: Stat) -> None:
        """The version that was just saved here."""
        now = time.monotonic()
        self._saved = {p: (t, s) for p, (t, s) in self._saved.items() if now - t < FRESH_SECONDS}
        self._saved[path] = (now, stat)
        self._written[path] = None
        self._written.move_to_end(path)
        while len(self._written) > MAX_REMEMBERED:
            self._written.popitem(last=False)
        self._unconfirmed.pop(path, None)
        self.remember(path, stat.etag, stat.modified)

    def remember_made(self, path: str, stat: Stat) -> None:
        """The version that was just made here of another file: what is asked for next."""
        self._saved[path] = (time.monotonic(), stat)

    def remember_unconfirmed(self, path: str, content: Fingerprint) -> None:
        """A save of this content was not confirmed: it may be what is found there later."""
        self._unconfirmed[path] = content
        while len(self._unconfirmed) > MAX_REMEMBERED:
            del self._unconfirmed[next(iter(self._unconfirmed))]

    def unconfirmed(self, path: str) -> Fingerprint | None:
        """What the last save here had in it, if it was not confirmed."""
        return self._unconfirmed.get(path)

    def was_saved(self, path: str) -> bool:
        """Was the path saved here since the server started?"""
        return path in self._written

    def carry(
        self, source: EtagCache, old: str, new: str, items: Sequence[Item], made: Sequence[Item]
    ) -> None:
        """What was moved here was shown and saved here, if it was where it comes from."""
        versions = {item.relative: item.version for item in items}
        for item in made:
            known = source._etags.get(old + item.relative)
            if known is not None and str(known.etag) == versions[item.relative]:
                self.remember(new + item.relative, ETag.parse(item.version), known.modified)
        for path in [p for p in source._written if p == old or p.startswith(f"{old}/")]:
            del source._written[path]
            self._written[new + path.removeprefix(old)] = None

    def pop_saved(self, path: str) -> Stat | None:
        """What was saved here a moment ago, once.

        After a save JupyterLab asks for the file's hash and takes it for its own. If that came from
        S3, another user's save that slipped in between would be adopted, and then overwritten.
        """
        found = self._saved.pop(path, None)
        return found[1] if found and time.monotonic() - found[0] < FRESH_SECONDS else None

    def mark_absent(self, path: str) -> None:
        """The path was deleted or moved away here: what is there later is somebody else's."""
        for known in self._known(path):
            self._etags[known] = _Shown(ABSENT)
            self._saved.pop(known, None)
        self.remember(path, ABSENT)

    def forget(self, path: str) -> None:
        """Nothing is known any more of the path and what is under it."""
        for known in self._known(path):
            del self._etags[known]
            self._saved.pop(known, None)
        self._unconfirmed.pop(path, None)

    def _known(self, path: str) -> list[str]:
        return [p for p in self._etags if p == path or p.startswith(f"{path}/")]
