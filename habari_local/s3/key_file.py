"""The private file that keeps production's key, and what is under way with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from habari_local.config.secrets import write_private
from habari_local.core.errors import HabariError, pasteable
from habari_local.s3.s3_client import S3Access

ID, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
RETIRING, MAKING = "# retiring ", "# making "


@dataclass(frozen=True)
class Making:
    """A key is about to be made: since when, and which ones there were before it."""

    since: datetime
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What the file has: the key, the id of the one on its way out, the making of a new one."""

    access: S3Access | None = None
    retiring: str = ""
    making: Making | None = None


@dataclass(frozen=True)
class KeyFile:
    """The file, as `kubectl create secret generic --from-env-file` reads it.

    What is under way stands in it as comments, so that no kill can leave one written without the
    other.
    """

    path: Path

    def read(self) -> Kept:
        """Return what is kept.

        Raises:
            HabariError: something is, and it is no key.
        """
        if not self.path.is_file():
            return Kept()
        lines = self.path.read_text(encoding="utf-8").splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        pair = (values.get(ID), values.get(SECRET))
        try:
            making = _making(_after(MAKING, lines))
        except ValueError:
            making = None
        if pair[0] and pair[1]:
            return Kept(S3Access(pair[0], pair[1]), _after(RETIRING, lines), making)
        if making and not values:
            return Kept(making=making)
        raise HabariError(
            f"{self.path}: without {ID} and {SECRET}, a key was expected.",
            f"{pasteable('mv', self.path, f'{self.path}.broken')} && habari-local s3 check",
        )

    def write(self, kept: Kept) -> None:
        """Put that in place of what is kept, in one step."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = []
        if kept.access:
            access = kept.access
            lines += [f"{ID}={access.access_key_id}", f"{SECRET}={access.secret_access_key}"]
        if kept.retiring:
            lines.append(f"{RETIRING}{kept.retiring}")
        if kept.making:
            making = kept.making
            lines.append(MAKING + " ".join((making.since.isoformat(), *making.before)))
        write_private(self.path, "".join(f"{line}\n" for line in lines))


def _after(mark: str, lines: list[str]) -> str:
    return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "")


def _making(text: str) -> Making | None:
    since, *before = text.split() or [""]
    return Making(datetime.fromisoformat(since), tuple(before)) if since else None
