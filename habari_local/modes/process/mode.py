"""Process mode: the platform as plain processes of this machine, for one person."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote

from habari_local.config.secrets import forget
from habari_local.core import polling
from habari_local.core.errors import HabariError, NotRunning
from habari_local.core.paths import private_folder
from habari_local.diagnosis.requirements import EVERY_MODE, Requirement
from habari_local.drivers import log_files, processes, tar_stream
from habari_local.drivers.tar_stream import Report, Sink, TarError
from habari_local.modes.process import services
from habari_local.modes.process.services import (
    NAME,
    forget_network,
    is_network_remembered,
    remember_network,
)
from habari_local.modes.process.steps import (
    environment,
    log_path,
    of_part,
    of_service,
    reconnect_proxy,
    require_free_ports,
    require_same_ports,
    server_version,
    service,
    write_server_environment,
)
from habari_local.platform.mode import (
    Address,
    Archive,
    Context,
    DownResult,
    Endpoints,
    Home,
    Program,
    ServiceStatus,
    Step,
    build_endpoints,
    origin,
)
from habari_local.platform.s3_setup import S3Setup
from habari_local.platform.steps import folders, public_address
from habari_local.s3.s3_client import S3Target

DATA = (
    "homes",
    "s3-moto",
    "s3-localstack",
    "jupyterhub.sqlite",
)  # what people made; only `down --wipe` deletes it
S3 = S3Setup(prefix="", inside=None)
SERVER_LOG = "server-"  # before a user's name, as habari_hub/process_spawner.py writes it


class ProcessMode:
    """Plain local processes; see the readable list in `steps`."""

    name = NAME
    summary = "plain processes, Python only: first contact, hub and notebook work, fast CI"
    s3_backend = "moto"
    watched = ("hub", "jupyter", "images/proxy", "images/s3")

    notes = (
        "process mode is for one person: every user's server runs as you, nothing keeps one user"
        " from another's files",
    )

    def requirements(self) -> Sequence[Requirement]:
        """Return what every mode needs: this one needs nothing else."""
        return EVERY_MODE

    def check(self, ctx: Context) -> None:
        """Refuse a taken port, and a move under running servers, before anything starts."""
        require_same_ports(ctx)
        require_free_ports(ctx)

    def steps(self, ctx: Context) -> Sequence[Step]:
        """Return the bring-up."""
        before = processes.find(ctx.checkout.id, self.name)
        if not (before and is_network_remembered(ctx)):
            remember_network(ctx)
        wanted = {each.name: each for each in services.all_of(ctx)}
        steps = [
            folders(lambda: private_folder(_homes(ctx)), in_containers=False),
            environment("hub", "environment of the hub"),
            environment("proxy", "environment of the proxy"),
            environment("notebook", "environment of notebooks"),
        ]
        if "s3" in wanted:
            name = services.s3_environment_name(ctx)
            steps.append(environment(name, "environment of S3"))
            steps.append(service(wanted["s3"], (f"env-{name}", "folders"), before))
        if "github" in wanted:
            steps.append(service(wanted["github"], ("env-hub", "folders"), before))
        steps.append(service(wanted["proxy"], ("env-proxy", "folders"), before))
        steps.append(S3.step(write_server_environment, ("s3",) if "s3" in wanted else ("folders",)))
        steps.append(server_version())
        # A hub gives up on a proxy within seconds; on a first run the proxy may come minutes later.
        installed = ("env-hub", "env-proxy", "env-notebook")
        steps.append(service(wanted["hub"], (*installed, "folders", "servers"), before))
        url = services.public_url(ctx)
        steps.append(public_address(url, ("proxy", "hub"), lambda: reconnect_proxy(ctx)))
        return steps

    def endpoints(self, ctx: Context) -> Endpoints:
        """Return where everything is; host and notebook see the same addresses here."""
        urls = {each.name: origin(each.health) for each in services.all_of(ctx)}
        public = urls["proxy"] = services.public_url(ctx)
        s3 = S3.endpoint(ctx)
        if s3.endpoint_url:
            urls["s3"] = s3.endpoint_url
        addresses = {
            name: Address(url, url, str(log_path(ctx, name))) for name, url in urls.items()
        }
        return build_endpoints(ctx, self.name, public, addresses, s3)

    def status(self, ctx: Context) -> Sequence[ServiceStatus]:
        """Return each service and each user's server."""
        found = processes.find(ctx.checkout.id, self.name)
        rows = [_status(each, found) for each in services.all_of(ctx)] if ctx.secrets else []
        users = sorted({each.user for each in found if each.user})
        now = services.server_version(ctx) if users else ""
        for user in users:
            mine = [each for each in found if each.user == user]
            memory = sum(each.memory() for each in mine)
            old = mine[0].version not in ("", now)
            since, pid = mine[0].since, mine[0].pid
            rows.append(ServiceStatus("server", "running", "", since, memory, user, pid, old))
        return rows

    def services(self, ctx: Context) -> Sequence[str]:
        """Return the services that write a log."""
        return [each.name for each in services.all_of(ctx)]

    def logs(
        self,
        ctx: Context,
        services: Sequence[str],
        *,
        follow: bool,
        lines: int,
        since: float | None = None,
    ) -> Iterator[str]:
        """Yield log lines, the newest `lines` of each service first, then of users' servers."""
        known = self.services(ctx)
        paths = {name: log_path(ctx, name) for name in services or known if name in known}
        for path in sorted(log_path(ctx, "hub").parent.glob(f"{SERVER_LOG}*.log")):
            user = unquote(path.stem.removeprefix(SERVER_LOG))
            if not services or user in services:
                paths[f"server of {user}"] = path
        logs = [
            (name, log_files.read(path, lines, since, follow=follow))
            for name, path in paths.items()
        ]
        return log_files.merge(logs, follow=follow)

    def follow(self, ctx: Context, edited: Collection[Path]) -> None:
        """Leave every edit to `up`, which restarts what is another than what runs."""

    def restart(self, ctx: Context, service: str) -> None:
        """End a service's process; `up` starts it."""
        processes.stop(found.process for found in of_service(ctx, service))

    def shell(
        self,
        ctx: Context,
        service: str,
        user: str,
        command: Sequence[str],
        *,
        terminal: bool,  # noqa: ARG002 (only a container needs to know)
    ) -> Program:
        """Return what runs a command as the process runs: in its folder, with its environment."""
        found = processes.find(ctx.checkout.id, self.name)
        mine = [e for e in found if (e.user == user if user else e.service == service)]
        if not mine:
            raise NotRunning(f"Server of {user}" if user else service)
        environ, folder = processes.surroundings(mine[0].process)
        shell = ctx.environ.get("SHELL", "/bin/sh")
        about = {name: ctx.environ[name] for name in ("TERM", "COLORTERM") if name in ctx.environ}
        return Program(tuple(command) or (shell,), {**environ, **about}, folder)

    def missing(self, ctx: Context) -> str:
        """Return which file that a user's server is started from is not there."""
        needed = (
            services.environment(ctx, "notebook") / "bin" / "python",
            ctx.checkout.of_mode(self.name) / "server.env",
        )
        gone = [str(path) for path in needed if not path.is_file()]
        return f"{', '.join(gone)}: not there" if gone else ""

    def kill(self, ctx: Context, part: str) -> None:
        """End a part at once; it has ended when this returns."""
        processes.kill(of_part(ctx, part))

    def freeze(self, ctx: Context, part: str) -> None:
        """Stop a part where it is."""
        for process in of_part(ctx, part):
            process.suspend()

    def thaw(self, ctx: Context, part: str) -> None:
        """Let a frozen part go on."""
        for process in of_part(ctx, part):
            process.resume()

    def homes(self, ctx: Context) -> Sequence[Home]:
        """Return the homes that are there; a folder is called after its owner."""
        folder = _homes(ctx)
        found = sorted(folder.iterdir()) if folder.is_dir() else ()
        folders = [path for path in found if path.is_dir() and not path.is_symlink()]
        return [self.home_of(ctx, unquote(path.name)) for path in folders]

    def home_of(self, _ctx: Context, owner: str) -> Home:
        """Return a user's home, whose files are ours."""
        return Home(owner, {"uid": os.getuid()})

    def bucket_access(self, ctx: Context) -> S3Target:
        """Return the S3 with the administrator's key, where it is ours."""
        return S3.target(ctx)

    @contextmanager
    def maintenance(self, ctx: Context) -> Iterator[None]:
        """Stop the hub; `up` starts it."""
        processes.stop(each.process for each in of_service(ctx, "hub"))
        yield

    def take_home(self, ctx: Context, home: Home, into: Sink) -> Report:
        """Write all that can be read in a home."""
        folder = _home(ctx, home.owner)
        with _sentences(f"Home of {home.owner}", "habari-local backup create"):
            return tar_stream.pack(str(folder), into)

    def put_home(self, ctx: Context, home: Home, source: Archive) -> Report:
        """Make a home unless it is there, and put what was taken in the place of what is in it.

        It is in the folder of all homes, whatever a backup calls it.
        """
        folder = self.home_folder(ctx, home.owner)
        users = [home.about.get("uid", os.getuid()), os.getuid()]
        with _sentences(f"Home of {home.owner}", f"ls -la {shlex.quote(str(folder))}"):
            done = tar_stream.unpack(str(folder), source.file, users=users, **source.options)
        if source.other_mode:  # there its volume kept others away
            folder.chmod(0o700)
        return done

    def take_database(self, ctx: Context, into: Sink) -> bool:
        """Write the hub's database."""
        tar_stream.pack_database(str(_database(ctx)), into)
        return True

    def put_database(self, ctx: Context, source: IO[bytes]) -> None:
        """Put a database in the place of the hub's, which does not run."""
        tar_stream.unpack_database(str(_database(ctx)), source)

    def delete_home(self, ctx: Context, home: Home) -> None:
        """Delete a home's folder; the project, to which it has a link, stays."""
        folder = _home(ctx, home.owner)
        if folder.is_dir():
            shutil.rmtree(folder)

    def home_folder(self, ctx: Context, owner: str) -> Path:
        """Return the folder of a user's home, made when absent."""
        return private_folder(_home(ctx, owner))

    def data(self, ctx: Context) -> Sequence[str]:
        """Return the files and folders of users, as seen from the checkout."""
        return [str(path.relative_to(ctx.checkout.root)) for path in _data(ctx)]

    def down(self, ctx: Context, *, wipe: bool) -> DownResult:
        """Stop servers, hub, proxy and fake GitHub together, then S3: saves under way end."""
        found = processes.find(ctx.checkout.id, self.name)
        processes.stop(f.process for f in found if f.service != "s3")
        processes.stop(f.process for f in processes.find(ctx.checkout.id, self.name))
        forget_network(ctx)
        names = dict.fromkeys(_in_words(each) for each in found)
        shown = tuple(self.data(ctx))
        if not wipe:
            return DownResult(tuple(names), shown)
        for path in _data(ctx):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder = ctx.checkout.root / ".habari" / self.name
        (folder / "server.env").unlink(missing_ok=True)
        forget(ctx.checkout.root / ".habari", S3.key_names)
        return DownResult(tuple(names), (), shown)


@contextmanager
def _sentences(what: str, hint: str) -> Iterator[None]:
    """Turn what packing and unpacking raise into a sentence."""
    try:
        yield
    except (OSError, TarError) as error:
        raise HabariError(f"{what}: {error}.", hint) from error


def _homes(ctx: Context) -> Path:
    return ctx.checkout.of_mode(NAME) / "homes"


def _home(ctx: Context, owner: str) -> Path:
    """Return the folder of a home, as habari_hub/process_spawner.py has it.

    A backup of an earlier version has it percent-encoded already.
    """
    name = quote(unquote(owner), safe="").replace(".", "%2E").replace("~", "%7E")
    return _homes(ctx) / name


def _database(ctx: Context) -> Path:
    return ctx.checkout.of_mode(NAME) / "jupyterhub.sqlite"


def _data(ctx: Context) -> list[Path]:
    folder = ctx.checkout.root / ".habari" / NAME
    return [folder / name for name in DATA if (folder / name).exists()]


def _in_words(found: processes.ManagedProcess) -> str:
    return found.service or (f"server of {found.user}" if found.user else "a helper process")


def _status(wanted: services.Service, found: list[processes.ManagedProcess]) -> ServiceStatus:
    address = origin(wanted.health)
    mine = [each for each in found if each.service == wanted.name]
    if not mine:
        return ServiceStatus(wanted.name, "stopped", address)
    good = polling.http_ok(wanted.health, accept=range(200, 500))
    state = "running" if good else "not answering"
    memory = sum(each.memory() for each in mine)
    return ServiceStatus(wanted.name, state, address, mine[0].since, memory, pid=mine[0].pid)


MODE = ProcessMode()
