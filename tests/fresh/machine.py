"""A machine that has just been installed: a minimal Debian, entered as its plain user.

Its files are a folder, its processes and mounts are namespaces of their own, so what it has left
over can be seen whole. It has this machine's network, since it downloads packages: its ports are
this machine's too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout, private_folder
from habari_local.drivers import mmdebstrap
from habari_local.modes.process.services import NETWORK

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = Path(__file__).with_name("bootstrap")
USER, UID = "ada", 1000
HOME = Path("/home") / USER
CHECKOUT = HOME / "habari"
CACHES = (HOME / ".cache", HOME / ".npm")  # of uv, pip and npm: the next install is faster
WEEK = 7 * 24 * 3600.0
# How this machine reaches the registries is all that it hands on, with the files named by that.
REGISTRIES = (
    *("NO_PROXY", "no_proxy", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry"),
)
RESOLVER = ("/etc/hosts", "/etc/pip.conf", "/etc/resolv.conf")
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
# The first process: it reaps those whose parent has gone, as that of every machine does.
INIT = "import signal; signal.signal(17, signal.SIG_IGN)\nwhile True: signal.pause()"
BOOT = """
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for each in $2; do touch "dev/$each"; mount --bind "/dev/$each" "dev/$each"; done
ln -s /proc/self/fd dev/fd
mkdir -m 1777 dev/shm
mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
exec chroot . python3 -c "$3"
"""


@dataclass(frozen=True)
class Machine:
    """A machine that runs; `init` is its first process."""

    root: Path
    init: psutil.Process
    environ: Mapping[str, str]

    def call(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command as the user, in the checkout; the caller looks at the outcome."""
        return subprocess.run(
            [
                *("nsenter", "--target", str(self.init.pid), "--mount", "--pid", "--root"),
                *(f"--wd={self.root}{CHECKOUT}", f"--setgid={UID}", f"--setuid={UID}"),
                *("env", "-i", *(f"{name}={value}" for name, value in self.environ.items())),
                *("sh", "-c", command),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def good(self, command: str) -> str:
        """Run a shell command, expect success, return its standard output."""
        done = self.call(command)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def running(self) -> list[str]:
        """Return the command lines of all processes but the first."""
        mine = Path(f"/proc/{self.init.pid}/ns/pid").readlink()
        found = []
        for process in psutil.process_iter():
            try:
                theirs = Path(f"/proc/{process.pid}/ns/pid").readlink()
                if theirs == mine and process != self.init:
                    found.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):
                continue
        return found

    def files(self) -> set[str]:
        """Return the paths of all files but those of the checkout and of caches."""
        spared = {str(self.root) + str(path) for path in (CHECKOUT, *CACHES)}
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if f"{folder}/{name}" not in spared]
            found |= {f"{folder}/{name}".removeprefix(str(self.root)) for name in names}
        return found


def file_system(suite: str) -> Path:
    """Return the file system of a suite as a tar file: made once a week."""
    made = private_folder(Checkout(ROOT).state / "fresh") / f"{suite}.tar"
    if not made.exists() or made.stat().st_mtime < time.time() - WEEK:
        new = made.with_name(f"{suite}-{os.getpid()}.tar")
        try:
            mmdebstrap.bootstrap(BOOTSTRAP, new, suite, Settings().debian_mirror, os.environ)
            new.replace(made)
        finally:
            new.unlink(missing_ok=True)
    return made


@contextmanager
def fresh_machine(folder: Path, suite: str, environ: Mapping[str, str]) -> Iterator[Machine]:
    """Start a machine in `folder`; when the block is left, it has ended and its files are gone."""
    root = folder / suite
    root.mkdir()
    try:
        _unpack(file_system(suite), root)
        network = {name: os.environ[name] for name in (*NETWORK, *REGISTRIES) if name in os.environ}
        _connect(root, network)
        _copy_checkout(root)
        boot = ("sh", "-euc", BOOT, "boot", str(root), " ".join(DEVICES), INIT)
        unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private")
        started = subprocess.Popen([*unshare, *boot], stdin=subprocess.DEVNULL)
        try:
            own = {"HOME": str(HOME), "USER": USER, "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
            yield Machine(root, _first_process(started), {**network, **own, **environ})
        finally:
            started.kill()
            started.wait()
    finally:
        shutil.rmtree(root)


def _unpack(archive: Path, root: Path) -> None:
    subprocess.run(["tar", "-xf", archive, "-C", root, "--exclude=./dev/*"], check=True)


def _connect(root: Path, network: Mapping[str, str]) -> None:
    """Have it reach the network as this machine does, with what that trusts."""
    for name in {*RESOLVER, *network.values()}:
        if name.startswith("/") and Path(name).is_file():
            copy = Path(f"{root}{name}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copyfile(name, copy)


def _copy_checkout(root: Path) -> None:
    """Add the user, and the files of this checkout as an archive has them: without Git's."""
    chroot = ("chroot", str(root))
    subprocess.run([*chroot, "useradd", "--create-home", f"--uid={UID}", USER], check=True)
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target = Path(f"{root}{CHECKOUT}") / name
        if (ROOT / name).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    subprocess.run([*chroot, "chown", "-R", f"{USER}:{USER}", str(CHECKOUT)], check=True)


def _first_process(started: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the machine's first process, once it is set up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and started.poll() is None:
        for child in psutil.Process(started.pid).children():
            if "signal.pause" in " ".join(child.cmdline()) and child.name().startswith("python"):
                return child
        time.sleep(0.05)
    raise AssertionError("the machine did not start")
