"""The platform of a rehearsal: a worktree of its own, users with servers, nothing left of it.

The same folder is the same platform, so changing its files and bringing it up is an upgrade.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habari_local.config.load import environment, load
from habari_local.config.render.dist import as_text
from habari_local.config.secrets import load_secrets
from habari_local.config.settings import fields_by_variable
from habari_local.core.errors import HabariError
from habari_local.core.paths import find_checkout
from habari_local.core.subprocesses import run
from habari_local.drills.hub_user import HubUser
from habari_local.drivers import git
from habari_local.drivers.jupyterhub import HubClient
from habari_local.platform.mode import Address, Endpoints, S3Endpoint
from habari_local.s3.s3_client import S3Target, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OFFSET = 3100  # added to this checkout's ports: both may be up at once
Up = Callable[[], None]
STATE = ".habari"


@contextmanager
def scratch_platform(
    name: str, mode: str, say: Callable[[str], None]
) -> Iterator[tuple[Worktree, Up]]:
    """Give a second checkout and what brings it up; nothing of it is left at the end."""
    checkout = find_checkout()
    settings = load(checkout.root).settings
    folder = checkout.state / f"drill-{name}"
    environ = {**environment(), **_given(checkout.root, settings.port_offset)}
    second = Worktree(checkout.root, folder, environ)
    shared = checkout.environments  # a cache of what the locks name, for both
    shared.mkdir(mode=0o700, exist_ok=True)
    (folder / ".habari").mkdir(mode=0o700, parents=True, exist_ok=True)
    link = folder / ".habari" / "envs"
    if not link.is_symlink():
        link.symlink_to(shared)

    def up() -> None:
        second.call("up", "--mode", mode)

    try:
        yield second, up
    finally:
        say("deleting the rehearsal's platform")
        with suppress(HabariError):
            second.be_working_tree()  # an older commit's may know no --yes
        with suppress(HabariError):
            second.call("down", "--mode", mode, "--wipe", "--yes")
            shutil.rmtree(folder, ignore_errors=True)


def _given(root: Path, offset: int) -> Mapping[str, str]:
    """Return this checkout's settings as the second one gets them: its own ports, no .env."""
    loaded = load(root)
    given = {
        name: as_text(getattr(loaded.settings, field))
        for name, field in fields_by_variable().items()
        if loaded.sources[name] not in ("default", "environment")
    }
    chart = loaded.settings.chart
    named = {"HABARI_CHART": str((root / chart).resolve())} if chart else {}
    return {**given, **named, "HABARI_PORT_OFFSET": str(offset + OFFSET)}


def start_servers(second: Worktree, run: str) -> list[HubUser]:
    """Return people with running servers: two who may sign in, and an admin."""
    where = second.endpoints()
    if not where.hub:
        raise HabariError(
            f"Mode {where.mode}: no hub, so it has no users whose data could be compared.",
            "habari-local drill --help",
        )
    names = [*where.users["allowed"][:2], *where.users["admin"][:1]]
    hub = HubClient(where.hub_url, where.hub_api_token)
    for name in names:
        hub.ensure(name)
        hub.start(name)
    hub.close()
    return [HubUser(where, name, run) for name in names]


@dataclass(frozen=True)
class Worktree:
    """A folder with the files of some state of `origin`; `environ` goes to what runs in it."""

    origin: Path
    root: Path
    environ: Mapping[str, str]

    def be(self, reference: str) -> None:
        """Have the files of a commit.

        Raises:
            CommandFailed: there is no such commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "files.tar"
            git.archive(self.origin, self.environ, reference, archive)
            self._clear()
            with tarfile.open(archive) as files:
                files.extractall(self.root, filter="data")

    def be_working_tree(self) -> None:
        """Have the files of the working tree, those not committed yet among them."""
        self._clear()
        for name in git.files(self.origin, self.environ):
            source, target = self.origin / name, self.root / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def _clear(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for each in self.root.iterdir():
            if each.name not in (STATE, "project"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()

    def call(self, *words: str, say: Callable[[str], None] | None = None) -> str:
        """Run this checkout's own habari-local; return what it prints for programs.

        Raises:
            CommandFailed: it ended with an error.
        """
        argv = [sys.executable, "-m", "habari_local", *words]
        env = {**self.environ, "PYTHONPATH": str(self.root)}
        return run(argv, cwd=self.root, env=env, on_line=say, apart=True).output

    def endpoints(self) -> Endpoints:
        """Return what the platform that is up there says of itself."""
        return read(self.call("endpoints"))

    def own_lake(self) -> tuple[S3Client, str] | None:
        """Return a client with the administrator's key and the lake's name; None: S3 is AWS."""
        where, backend = self.endpoints().s3, self.environ.get("HABARI_S3_BACKEND", "")
        if backend == "aws":
            return None
        secrets = load_secrets(self.root / STATE)
        key = (secrets["s3_root_access_key_id"], secrets["s3_root_secret_access_key"])
        target = S3Target(where.endpoint_url, where.region, *key, backend)
        return s3_client(target), where.lake_bucket


def read(text: str) -> Endpoints:
    """Return what `endpoints` of any checkout printed."""
    told: dict[str, Any] = json.loads(text)
    known = {name: told[name] for name in Endpoints.__dataclass_fields__ if name in told}
    known["s3"] = S3Endpoint(**told["s3"])
    known["services"] = {name: Address(**each) for name, each in told["services"].items()}
    return Endpoints(**known)
