"""The steps of process mode: environments, services, buckets, each doing nothing where it can."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from habari_local.config.render.compose import as_dotenv
from habari_local.config.secrets import write_changed
from habari_local.config.settings import variable
from habari_local.core import polling, python_error
from habari_local.core.errors import HabariError, NotReady, NotRunning
from habari_local.core.paths import private_folder
from habari_local.diagnosis import hints
from habari_local.drivers import npm, processes, uv
from habari_local.drivers.jupyterhub import HubClient
from habari_local.drivers.log_files import last_lines, since_start
from habari_local.modes.process import services
from habari_local.modes.process.services import NAME, Service
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step, require_free_port

HUNG_SECONDS = 10.0  # of doing nothing, after which a service that doesn't answer is restarted
START_SECONDS = 60.0  # of doing nothing, after which `up` gives up on one that starts
BUSY_SECONDS = 60.0  # that a running service may work without an answer: it may be in a loop
# Variables of users' servers with addresses of this machine → the setting of their port.
GIVEN = {"JUPYTERHUB_API_URL": "hub_api", "AWS_ENDPOINT_URL": "s3"}


def log_path(ctx: Context, service: str) -> Path:
    """Return where a service's output goes."""
    return private_folder(ctx.checkout.of_mode(NAME) / "logs") / f"{service}.log"


def environment(name: str, title: str) -> Step:
    """Return the step that makes a component environment from its lock."""

    def action(ctx: Context, say: Progress) -> str:
        private_folder(ctx.checkout.environments)
        folder = services.environment(ctx, name)
        lock = ctx.checkout.root / services.LOCKS[name]
        python = services.NEWER_PYTHON.get(name, "")
        with ctx.installing(title):
            changed = uv.sync(
                folder, lock, ctx.environ, python=python, on_line=say, cancel=ctx.cancel
            )
            if name == "proxy":
                source = lock.parent
                changed |= npm.install(source, folder, ctx.environ, on_line=say, cancel=ctx.cancel)
        if not changed:
            return UNCHANGED
        _remove_unused(folder, name)
        return "installed"

    return Step(f"env-{name}", title, action)


def _remove_unused(folder: Path, name: str) -> None:
    """Delete environments of older locks from which nothing runs, in whatever checkout."""
    for other in folder.parent.iterdir():
        older = other != folder and re.fullmatch(
            rf"{re.escape(name)}(-[0-9a-f]{{10}})?", other.name
        )
        if older and not processes.mention(f"/envs/{other.name}/"):
            shutil.rmtree(other, ignore_errors=True)


def service(
    wanted: Service, after: tuple[str, ...], before: Sequence[processes.ManagedProcess]
) -> Step:
    """Return the step that has a service run as it should; `before` is what ran before `up`."""

    def action(ctx: Context, say: Progress) -> str:
        digest = wanted.digest
        mine = [found for found in before if found.service == wanted.name]
        running = [found for found in mine if processes.alive(found.process)]
        if [found.digest for found in running] == [digest] and _answers_soon(
            wanted, ctx, say, running[0].process
        ):
            return UNCHANGED
        left = [found for found in before if found.service in wanted.helpers]
        old = [found.process for found in [*running, *left]]
        if wanted.turn and running and ctx.wait:
            replace(wanted, digest, ctx, say, old)
            return "restarted"
        processes.stop(old)
        await_start(wanted, launch(wanted, digest, ctx), ctx, say)
        return "restarted" if running else "started"

    def undo(ctx: Context) -> None:
        spared = {found.process.pid for found in before}
        processes.stop(
            found.process
            for found in of_service(ctx, wanted.name)
            if found.process.pid not in spared
        )

    return Step(wanted.name, wanted.title, action, after, undo)


def _answers_soon(wanted: Service, ctx: Context, say: Progress, process: psutil.Process) -> bool:
    """Whether a running service answers: a busy one is given time, a hung one is not kept."""
    began = time.monotonic()

    def gone_on() -> str | None:
        return "busy" if time.monotonic() > began + BUSY_SECONDS else None

    try:
        await_answer(wanted, ctx, say, HUNG_SECONDS, process, gone_on)
    except NotReady:
        return False
    return True


def launch(
    wanted: Service, digest: str, ctx: Context, more: Mapping[str, str] | None = None
) -> psutil.Process:
    """Start a service's process, with `more` in its environment; return it."""
    log = log_path(ctx, wanted.name)
    if log.is_file() and log.stat().st_size > 5_000_000:
        log.replace(log.with_suffix(".log.1"))
    return processes.start(
        wanted.argv,
        label=processes.label(ctx.checkout.id, NAME),
        service=wanted.name,
        digest=digest,
        env={**wanted.env, **(more or {})},
        cwd=ctx.checkout.of_mode(NAME),
        log=log,
    )


def await_start(wanted: Service, process: psutil.Process, ctx: Context, say: Progress) -> None:
    """Wait until a service that was started answers.

    Raises:
        NotReady: it ended, or did not answer in time; the error carries its last log lines.
    """
    if not ctx.wait and wanted.name in ("hub", "proxy"):
        return
    await_answer(wanted, ctx, say, START_SECONDS, process)


def replace(
    wanted: Service, digest: str, ctx: Context, say: Progress, old: Sequence[psutil.Process]
) -> None:
    """Start a service beside the one that runs, which ends once the new one could take over.

    Raises:
        HabariError: the new one could not: the old one runs on, as it was.
    """
    with temporary_fifo(ctx.checkout.of_mode(NAME)) as fifo:
        new = launch(wanted, digest, ctx, {wanted.turn: str(fifo)})
        try:
            turn = _await_reader(fifo, wanted, new, ctx, say)
        except BaseException:
            processes.stop([new])
            raise
        try:
            processes.stop(old)
            os.write(turn, b"\n")
        finally:
            os.close(turn)
    await_start(wanted, new, ctx, say)


@contextmanager
def temporary_fifo(folder: Path) -> Iterator[Path]:
    """Make a FIFO in `folder`, for this user alone, and remove it after the block."""
    with tempfile.TemporaryDirectory(prefix=".turn-", dir=folder) as own:
        fifo = Path(own) / "turn"
        os.mkfifo(fifo, 0o600)
        yield fifo


def _await_reader(
    fifo: Path, wanted: Service, process: psutil.Process, ctx: Context, say: Progress
) -> int:
    """Wait until a process reads a FIFO; return the handle to write to it.

    Raises:
        HabariError: it ended before, or did nothing for START_SECONDS.
    """
    handles: list[int] = []

    def reads() -> bool:
        with suppress(OSError):  # ENXIO: nobody reads yet
            handles.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(handles)

    log = log_path(ctx, wanted.name)
    effort = polling.Effort(lambda: processes.processor_time(process))
    try:
        polling.wait_until(
            reads,
            wanted.title,
            seconds=START_SECONDS,
            failed=lambda: None if processes.alive(process) else "its process ended",
            log=lambda: last_lines(log, 20),
            tick=lambda: say("reading its configuration"),
            cancel=ctx.cancel,
            works=effort.grown,
        )
    except NotReady as error:
        own = {str(ctx.checkout.root / "hub"): "hub"}
        place = python_error.traceback_place(since_start(log, 100), own)
        raise HabariError(
            f"{wanted.title}: {place or 'the new one does not start'};"
            " the one before it runs on, without the edit.",
            f"habari-local logs {wanted.name}",
            error.code,
            () if place else error.details,
        ) from error
    return handles[0]


def await_answer(
    wanted: Service,
    ctx: Context,
    say: Progress,
    seconds: float,
    process: psutil.Process,
    gone_on: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait until a service answers, for as long as its process works or something is installed.

    Raises:
        NotReady: it ended, did nothing for so many seconds, or `gone_on` gave a reason.
    """
    log = log_path(ctx, wanted.name)
    effort = polling.Effort(
        lambda: processes.processor_time(process),
        lambda: log.stat().st_size if log.is_file() else 0,
    )

    def works() -> bool:
        # What answers, if wrongly, has started: its work and its log are of our own questions.
        started = polling.http_ok(wanted.health, accept=range(100, 600))
        return bool(ctx.installs) or (not started and effort.grown())

    polling.wait_until(
        lambda: polling.http_ok(wanted.health, accept=range(200, 500)),
        wanted.title,
        seconds=seconds,
        failed=lambda: gone_on() if processes.alive(process) else "its process ended",
        log=lambda: last_lines(log, 20),
        tick=lambda: say(f"waiting for {wanted.health}{ctx.meanwhile}"),
        cancel=ctx.cancel,
        hint=f"habari-local logs {wanted.name}",
        works=works,
    )


def of_service(ctx: Context, name: str) -> list[processes.ManagedProcess]:
    """Return the running processes of a service, without its descendants."""
    return [f for f in processes.find(ctx.checkout.id, NAME) if f.service == name]


def of_part(ctx: Context, part: str) -> list[psutil.Process]:
    """Return the processes of a service, or (as `server`) of one user's server and its kernels."""
    if part != "server":
        return [found.process for found in of_service(ctx, part)]
    found = processes.find(ctx.checkout.id, NAME)
    users = [each.user for each in found if each.user]
    return [each.process for each in found if each.user and each.user == users[0]]


def require_free_ports(ctx: Context) -> None:
    """Raise PortTaken if a port that we need is held by something that is not ours."""
    found = processes.find(ctx.checkout.id, NAME)
    ours = {each.process.pid for each in found}
    as_wanted = {(each.service, each.digest) for each in found}
    for wanted in services.all_of(ctx):
        if (wanted.name, wanted.digest) in as_wanted:
            continue  # it holds its ports
        for setting, port in wanted.ports.items():
            require_free_port(ctx, setting, port, wanted.title, ours)


def require_same_ports(ctx: Context) -> None:
    """Refuse to move the hub's API or S3 under users' servers, which keep their ports.

    Raises:
        HabariError: servers run that would not find them any more.
    """
    settings, users = ctx.settings, set()
    given: dict[str, int] = {}
    for each in processes.find(ctx.checkout.id, NAME):
        with suppress(NotRunning):
            environ = processes.surroundings(each.process)[0] if each.user else {}
            known = {field: port_of(environ.get(name, "")) for name, field in GIVEN.items()}
            given |= {field: port for field, port in known.items() if port}
            if any(port not in (None, settings.port(field)) for field, port in known.items()):
                users.add(each.user)
    if not users:
        return
    moved = {field: port for field, port in given.items() if port != settings.port(field)}
    offsets = {port - settings.port(field) + settings.port_offset for field, port in given.items()}
    first, port = next(iter(moved.items()))
    hint = hints.setting(variable(f"{first}_port"), str(port - settings.port_offset), ctx.environ)
    if len(offsets) == 1 and min(offsets) >= 0:
        hint = hints.setting("HABARI_PORT_OFFSET", str(*offsets), ctx.environ)
    names = {"hub_api": "the hub's API", "s3": "S3"}
    shown = " and ".join(f"{names[field]} at port {port}" for field, port in moved.items())
    raise HabariError(
        f"Servers of {', '.join(sorted(users))}: started with {shown}; a running server can't"
        " change that. Stop them first, or go back.",
        hint,
    )


def port_of(url: str) -> int | None:
    """Return the port of an address of this machine; None of another's."""
    parts = urlsplit(url)
    return parts.port if parts.hostname == services.HOST else None


def reconnect_proxy(ctx: Context) -> None:
    """Have the hub give a fresh proxy its routes, which it looks at when it starts."""
    with HubClient(services.hub_url(ctx), ctx.secrets["hub_api_token"]) as hub:
        hub.check_routes()


def write_server_environment(ctx: Context, variables: dict[str, str]) -> bool:
    """Write the file that users' servers get their variables from; return if that changed it."""
    contents = ctx.checkout.root / "jupyter" / "habari_contents"
    text = as_dotenv({**variables, "PYTHONPATH": str(contents)})
    return write_changed(ctx.checkout.of_mode(NAME) / "server.env", text)


def server_version() -> Step:
    """Return the step that tells the hub by what a server is known that starts from now on."""

    def action(ctx: Context, _say: Progress) -> str:
        text = f"{services.server_version(ctx)}\n"
        if not write_changed(services.version_file(ctx), text):
            return UNCHANGED
        return "start from the checkout as it is now"

    return Step("servers", "users' servers", action, ("env-notebook",))
