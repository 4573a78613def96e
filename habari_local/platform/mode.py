"""The one interface that every mode implements, and the types that cross it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, runtime_checkable

from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import PortTaken
from habari_local.core.paths import Checkout
from habari_local.diagnosis import hints
from habari_local.diagnosis.requirements import Requirement
from habari_local.drivers import processes
from habari_local.drivers.tar_stream import Report, Sink
from habari_local.identity.users import kinds
from habari_local.s3.s3_client import S3Target, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from habari_local.images.build import Images

Progress = Callable[[str], None]
SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")  # the better one
UNCHANGED = "already there"  # what a step returns that had nothing to do


@dataclass(frozen=True)
class Context:
    """All that a mode may know: where, with which settings, and whether to stop."""

    checkout: Checkout
    settings: Settings
    secrets: Secrets
    environ: Mapping[str, str]
    wait: bool = True  # whether `up` waits until everything answers
    cancel: threading.Event = field(default_factory=threading.Event)
    installs: set[str] = field(default_factory=set)  # what is being installed just now, in words

    @contextmanager
    def installing(self, what: str) -> Iterator[None]:
        """Tell who waits that this machine has something else to do for the block."""
        self.installs.add(what)
        try:
            yield
        finally:
            self.installs.discard(what)

    @property
    def meanwhile(self) -> str:
        """What is being installed during a wait, to be shown with it; or nothing."""
        found = ", ".join(sorted(self.installs))
        return f"; meanwhile: {found}" if found else ""

    @property
    def project_path(self) -> Path:
        """The folder that servers see as project/, absolute."""
        return (self.checkout.root / Path(self.settings.project_path).expanduser()).resolve()

    @cached_property
    def images(self) -> Images:
        """The checkout's images, with these settings."""
        from habari_local.images.build import Images

        return Images(self.checkout, self.settings, self.environ)


@dataclass(frozen=True)
class Step:
    """One line of the table of contents of a bring-up.

    `action` gets the context and a function that shows what it waits for; it says what it did.
    `after` names the steps that must be over. `undo` takes back what `action` started, and nothing
    that was there before; it may say what that was. One that only judges never `changes` anything.
    """

    name: str
    title: str
    action: Callable[[Context, Progress], str]
    after: tuple[str, ...] = ()
    undo: Callable[[Context], str | None] | None = None
    changes: bool = True


@dataclass(frozen=True)
class Address:
    """Where a service is, seen from this machine and from a notebook; its log, if here."""

    from_host: str
    from_notebook: str
    log_file: str | None = None


@dataclass(frozen=True)
class S3Endpoint:
    """The buckets and the key that notebook servers get."""

    endpoint_url: str | None
    region: str
    access_key_id: str
    secret_access_key: str
    lake_bucket: str
    notebooks_bucket: str

    def target(self, backend: str) -> S3Target:
        """Return the S3 with this key."""
        key = (self.access_key_id, self.secret_access_key)
        return S3Target(self.endpoint_url, self.region, *key, backend)

    def client(self, backend: str) -> S3Client:
        """Return a client with this key."""
        return s3_client(self.target(backend))


@dataclass(frozen=True)
class Endpoints:
    """All that the end-to-end suite may know of a platform (docs/reference/endpoints.md)."""

    mode: str
    hub_url: str
    hub_api_token: str
    s3: S3Endpoint
    users: Mapping[str, Sequence[str]]
    github: Mapping[str, str] | None
    services: Mapping[str, Address]
    project_path: str | None
    lab: bool = True
    kubernetes: Mapping[str, str] | None = None  # kubeconfig, context and namespace, in a cluster
    hub: bool = True  # without one, hub_url is the one server's and hub_api_token opens it
    schema: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; it holds secrets."""
        return {"schema": self.schema, **{k: v for k, v in asdict(self).items() if k != "schema"}}


def build_endpoints(
    ctx: Context,
    mode: str,
    url: str,
    services: Mapping[str, Address],
    s3: S3Endpoint,
    kubernetes: Mapping[str, str] | None = None,
) -> Endpoints:
    """Return the endpoints of a platform with a hub, whose public address is `url`."""
    github = services.get("github")
    return Endpoints(
        mode=mode,
        hub_url=f"{url}/",
        hub_api_token=ctx.secrets["hub_api_token"],
        s3=s3,
        users=kinds(ctx.settings),
        github={"url": github.from_host, "control_token": ctx.secrets["github_control_token"]}
        if github
        else None,
        services=services,
        project_path=str(ctx.project_path),
        kubernetes=kubernetes,
    )


def origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    return "/".join(url.split("/")[:3])


def require_free_port(
    ctx: Context, setting: str, port: int, title: str, spare: Collection[int] = ()
) -> None:
    """Refuse to start what needs a port of this machine that somebody else's process holds.

    Args:
        ctx: the context.
        setting: the variable that names the port.
        port: the port, offset included.
        title: what needs it.
        spare: pids that may hold it.

    Raises:
        PortTaken: it is held, with the command that names another one.
    """
    owner = processes.port_owner(port, spare)
    if owner:
        raise PortTaken(port, title, owner, hints.another_port(ctx.settings, setting, ctx.environ))


@dataclass(frozen=True)
class ServiceStatus:
    """How one service is; `since` in seconds since the epoch, `memory` in bytes."""

    name: str
    state: str  # "running", "not answering" or "stopped"
    address: str = ""
    since: float | None = None
    memory: int | None = None
    user: str = ""
    pid: int | None = None  # on this machine; None where it has none of its own, as in a cluster
    outdated: bool = False  # a user's server that was started from another image than is there now

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"{self.name} of {self.user}" if self.user else self.name

    @property
    def in_words(self) -> str:
        """How it is, for people."""
        return f"{self.state}, old image" if self.outdated else self.state

    @property
    def good(self) -> bool:
        """Whether it does what it is for."""
        return self.state == "running"


@dataclass(frozen=True)
class DownResult:
    """What `down` did: what it stopped, kept and deleted, each in words."""

    stopped: tuple[str, ...]
    kept: tuple[str, ...]
    deleted: tuple[str, ...] = ()
    deletes: str = "habari-local down --wipe"  # the command that deletes what was kept


@dataclass(frozen=True)
class Plan:
    """What a change would do to an existing cluster, shown before it is made."""

    place: str  # the namespace: what a person types who means it
    lines: tuple[str, ...]
    data: Mapping[str, Any]
    lost: tuple[str, ...] = ()  # what can't be had back; empty: nobody needs to be asked


class Mode(Protocol):
    """One way to run the platform; a folder of `habari_local/modes` with a `MODE` in it."""

    name: str
    summary: str
    notes: Sequence[str]  # what a person should know when it is up
    s3_backend: str  # what HABARI_S3_BACKEND=auto means here

    def requirements(self) -> Sequence[Requirement]:
        """Return what must be on the machine."""

    def check(self, ctx: Context) -> None:
        """Refuse what can't succeed before anything is started (a taken port, a missing tool)."""

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up, readable as a table of contents."""

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is."""

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return every service that should run, and the users' servers that do."""

    def services(self, ctx: Context) -> Sequence[str]:
        """Return the names that `logs` takes."""

    def logs(
        self,
        ctx: Context,
        services: Sequence[str],
        *,
        follow: bool,
        lines: int,
        since: float | None = None,
    ) -> Iterator[str]:
        """Yield log lines of the given services and users' servers, its name before each.

        At most the last `lines` of each, none older than `since` (seconds since the epoch).
        """

    def data(self, ctx: Context) -> Sequence[str]:
        """Return what users have here, in words: what `down` keeps, and deletes with `wipe`."""

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Stop everything of this mode and checkout; with `wipe`, delete its data too."""


@runtime_checkable
class SupportsWatch(Protocol):
    """A mode that can follow edits of the checkout while it is up."""

    watched: Sequence[str]  # the folders of the checkout that what runs is made from

    def follow(self, ctx: Context, edited: Collection[Path]) -> str | None:
        """Do what an edit needs where that is less than `up`; return it in words; None: do `up`.

        Raises:
            HabariError: it could not be done.
        """


@runtime_checkable
class RemoteMode(Protocol):
    """A mode whose platform is in a cluster that was there before and has other users.

    It is named with each call and never remembered, so that no later call meets it by chance; what
    a change does is planned first. Both plans refuse what `Mode.check` refuses.
    """

    def plan_up(self, ctx: Context) -> Plan:
        """Return what `up` would change."""

    def plan_down(self, ctx: Context) -> Plan:
        """Return what `down` would take away and leave."""

    def allowed_users(self, ctx: Context) -> Sequence[str]:
        """Return the accounts that the deployment lets in by name."""

    def check_release(self, ctx: Context) -> None:
        """Refuse what runs and is not as it should be, whatever the files here say.

        Raises:
            HabariError: the release is not there, failed, or was left pending.
        """


@runtime_checkable
class SupportsRestart(Protocol):
    """A mode whose services can be stopped; `up` then starts what does not come by itself."""

    def restart(self, ctx: Context, service: str) -> None:
        """End a service as it likes to be ended, so that it is restarted."""


@dataclass(frozen=True)
class Program:
    """A program to run at this terminal: its words, its environment, the folder it begins in."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    folder: Path


@runtime_checkable
class SupportsShell(Protocol):
    """A mode that lets one in where a service, or somebody's server, runs."""

    def shell(
        self, ctx: Context, service: str, user: str, command: Sequence[str], *, terminal: bool
    ) -> Program:
        """Return what runs a command, or a shell if it is empty, in a service or a user's server.

        Raises:
            HabariError: it does not run.
        """


@runtime_checkable
class SupportsImages(Protocol):
    """A mode whose parts run from images that this machine has."""

    def running_images(self, ctx: Context) -> Mapping[str, str]:
        """Return the image of each service, and of users' servers, with its digest."""


@runtime_checkable
class SupportsPrecheck(Protocol):
    """A mode that sees, before a user's server is started, whether it could be."""

    def missing(self, ctx: Context) -> str:
        """Return what a user's server needs and is not there, in words; empty if all is."""


@dataclass(frozen=True)
class PodIssue:
    """What keeps something from running: by which check of `why`, in words, with its evidence."""

    check: str
    message: str
    log: Sequence[str] = ()


@runtime_checkable
class SupportsPodDiagnosis(Protocol):
    """A mode in a cluster, which tells why a pod does not run."""

    def pod_issue(self, ctx: Context, service: str, user: str) -> PodIssue | None:
        """Return what keeps a service, or (without one) a user's server, from running."""


@runtime_checkable
class SupportsMemoryDiagnosis(Protocol):
    """A mode that limits the memory of users' servers, and sees what was killed for it."""

    def killed_for_memory(self, ctx: Context, user: str) -> str:
        """Return what of a user's server was killed, with the limit, in words; "" of nothing."""


@runtime_checkable
class SupportsFaults(Protocol):
    """A mode whose parts can be broken on purpose; `up` restores what was killed.

    A part is one of `Mode.services`, or `server`: somebody's, of those that run.
    """

    def kill(self, ctx: Context, part: str) -> None:
        """End a part at once, as a crash does."""

    def freeze(self, ctx: Context, part: str) -> None:
        """Stop a part where it is, as a machine that hangs does."""

    def thaw(self, ctx: Context, part: str) -> None:
        """Let a frozen part go on; one that isn't is left alone."""


@dataclass(frozen=True)
class Home:
    """A user's home; `about` is what its mode needs to make it again where it is not."""

    owner: str
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """A tar of a home, open where it begins; it is used if it has these bytes alone."""

    file: IO[bytes]
    size: int
    sha256: str
    exact: bool = False  # what else is in the home goes
    other_mode: bool = False  # it has that one's way to the project's folder, of no use here

    @property
    def options(self) -> dict[str, Any]:
        """What `tar_stream.unpack` is told of it."""
        found = {"size": self.size, "sha256": self.sha256, "exact": self.exact}
        return found | ({"mount": "project"} if self.other_mode else {})


@runtime_checkable
class SupportsLocalHomes(Protocol):
    """A mode whose homes are folders of this machine."""

    def home_folder(self, ctx: Context, owner: str) -> Path:
        """Return the folder of a user's home, made when absent."""


@runtime_checkable
class SupportsReset(Protocol):
    """A mode with homes of its own, each of which can be deleted."""

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there."""

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is."""

    def delete_home(self, ctx: Context, home: Home) -> None:
        """Delete a home, whose owner's server does not run; one that is gone is fine."""


@runtime_checkable
class SupportsBackup(Protocol):
    """A mode that can back up homes and the hub's database, and restore them.

    What `put_database` reads, the same mode's `take_database` wrote. A home may be another mode's:
    then it is as `home_of` says, and `about["uid"]` is whose its files were.
    """

    def bucket_access(self, ctx: Context) -> S3Target:
        """Return the S3 with the key that may do most with the buckets, tags among it."""

    def maintenance(self, ctx: Context) -> AbstractContextManager[None]:
        """Have no hub run for the block; it runs again after it, or `up` starts it.

        When the block raises it stays stopped.
        """

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there."""

    def home_of(self, ctx: Context, owner: str) -> Home:
        """Return a user's home, or what it will be where there is none yet."""

    def take_home(self, ctx: Context, home: Home, into: Sink) -> Report:
        """Write all that can be read in a home; its owner's server may run."""

    def put_home(self, ctx: Context, home: Home, source: Archive) -> Report:
        """Make a home unless it is there, and put what was taken in the place of what is in it.

        Until all of it has come, nothing changes; what is not in the archive stays.
        """

    def take_database(self, ctx: Context, into: Sink) -> bool:
        """Write the hub's database as it is at one moment; False: it is kept by somebody else."""

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put a database in the place of the hub's, during `maintenance`."""
