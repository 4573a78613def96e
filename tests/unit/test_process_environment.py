"""What process mode's services get is decided by the checkout, not by the shell that calls `up`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from habari_local.config.secrets import load_secrets
from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers import processes, uv
from habari_local.modes.process import services, steps
from habari_local.platform.mode import Context

SHELLS: tuple[dict[str, str], ...] = (
    {},
    {"PATH": "/opt/conda/bin", "HOME": "/root", "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo"},
    {"CI": "true", "VIRTUAL_ENV": "/venv", "TMPDIR": "/scratch", "SHELL": "/bin/fish"},
)
PROXY = {"HTTPS_PROXY": "http://proxy.example:3128", "SSL_CERT_FILE": "/etc/company.pem"}


def context(root: Path, environ: dict[str, str]) -> Context:
    checkout = Checkout(root)
    settings = Settings().model_copy(update={"s3_backend": "moto"})
    ctx = Context(checkout, settings, load_secrets(checkout.state), environ)
    for lock in services.LOCKS.values():
        (root / lock).parent.mkdir(parents=True, exist_ok=True)
        (root / lock).touch()
    for source in (path for each in services.all_of(ctx) for path in each.sources):
        source.parent.mkdir(parents=True, exist_ok=True)
        source.touch() if source.suffix else source.mkdir(exist_ok=True)
    return ctx


def digests(ctx: Context) -> dict[str, str]:
    return {each.name: each.digest for each in services.all_of(ctx)}


def test_another_shell_makes_no_other_service(tmp_path: Path) -> None:
    seen = [digests(context(tmp_path, shell)) for shell in SHELLS]
    assert len(seen[0]) == 4
    assert seen[0] == seen[1] == seen[2]


def test_the_network_of_the_first_start_holds(tmp_path: Path) -> None:
    first = context(tmp_path, {**SHELLS[1], **PROXY})
    services.remember_network(first)
    later = context(tmp_path, {"HTTPS_PROXY": "http://another.example:3128"})
    assert digests(later) == digests(first)
    assert PROXY.items() <= services.hub(later).env.items()
    path = first.checkout.state / "process" / "network.json"
    assert path.stat().st_mode & 0o077 == 0, "a proxy's URL may have a password"
    services.forget_network(later)
    assert services.hub(later).env["HTTPS_PROXY"] == "http://another.example:3128"


@pytest.mark.parametrize("text", ["", "{"])
def test_a_broken_note_of_the_network_counts_as_none(tmp_path: Path, text: str) -> None:
    ctx = context(tmp_path, PROXY)
    services.remember_network(ctx)
    (ctx.checkout.state / "process" / "network.json").write_text(text)
    assert services.network(ctx) == PROXY


def test_a_lock_of_the_hub_is_a_source_of_the_hub(tmp_path: Path) -> None:
    ctx = context(tmp_path, {})
    before = digests(ctx)
    (tmp_path / "hub/requirements.txt").write_text("jupyterhub==5.5.0\n")
    changed = {name for name, digest in digests(ctx).items() if digest != before[name]}
    assert changed == {"hub", "github"}


def test_another_lock_makes_another_environment(tmp_path: Path) -> None:
    """A server that runs keeps the packages that it was started with."""
    ctx = context(tmp_path, {})
    before = services.environment(ctx, "notebook"), services.environment(ctx, "hub")
    (tmp_path / services.LOCKS["notebook"]).write_text("jupyterlab==4.6.0\n")
    after = services.environment(ctx, "notebook"), services.environment(ctx, "hub")
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_older_environments_go_when_nothing_runs_from_them(tmp_path: Path) -> None:
    envs = tmp_path / "envs"
    old, used, new = (envs / f"sample-{digit * 10}" for digit in "012")
    for folder in (old, used, new, envs / "sample-docker", envs / "sample"):
        (folder / "bin").mkdir(parents=True)
    waits = [sys.executable, "-c", "input()", f"{used}/bin/python"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as process:
        steps._remove_unused(new, "sample")
        process.communicate(b"\n")
    assert {each.name for each in envs.iterdir()} == {used.name, new.name, "sample-docker"}


def test_another_virtual_environment_of_the_same_python_makes_no_environment_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin of pytest runs in its project's own: the platform's are as good as before."""
    lock, folder = tmp_path / "lock.txt", tmp_path / "made"
    lock.write_text("")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / uv.MARKER).write_text(uv.digest(lock))
    monkeypatch.setattr(sys, "executable", "/somebody/else/.venv/bin/python")
    assert uv.is_synced(folder, lock)
    lock.write_text("idna==3.10\n")
    assert not uv.is_synced(folder, lock)


def test_an_environment_whose_base_interpreter_is_gone_is_made_anew(tmp_path: Path) -> None:
    lock, folder = tmp_path / "lock.txt", tmp_path / "made"
    lock.write_text("")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(tmp_path / "gone")
    (folder / uv.MARKER).write_text(uv.digest(lock))
    assert not uv.is_synced(folder, lock)
    assert uv.digest(lock) != uv.digest(lock, "3.13")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Context]:
    """A context in which a user's server runs that was started with an offset of 100."""
    (tmp_path / ".habari").mkdir()
    ctx = context(tmp_path, {})
    env = {
        "JUPYTERHUB_USER": "ada",
        "JUPYTERHUB_API_URL": "http://127.0.0.1:8181/hub/api",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4666",
    }
    label = processes.label(ctx.checkout.id, "process")
    log = tmp_path / "server.log"
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = processes.start(
        argv, label=label, service="", digest="", env=env, cwd=tmp_path, log=log
    )
    yield ctx
    processes.stop([process])


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"port_offset": 100}, ""),
        ({"port_offset": 0}, "HABARI_PORT_OFFSET 100"),
        ({"port_offset": 100, "s3_port": 4600}, "HABARI_S3_PORT 4566"),
        ({"port_offset": 100, "hub_port": 8500}, ""),
    ],
)
def test_what_servers_were_started_with_does_not_move(
    server: Context, changed: dict[str, int], hint: str
) -> None:
    ctx = replace(server, settings=server.settings.model_copy(update=changed))
    if not hint:
        steps.require_same_ports(ctx)
        return
    with pytest.raises(HabariError, match="Servers of ada: started") as refused:
        steps.require_same_ports(ctx)
    assert refused.value.hint == f"habari-local config set {hint}"
