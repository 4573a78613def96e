"""The command that installs a program on this machine, by the package manager that is here."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from habari_local.core.versions import pinned

MANAGERS = ("apt-get", "dnf", "brew")
RELEASE = Path("/etc/os-release")
BIN = "/usr/local/bin"

# kind, helm and kubectl, from where their makers release them.
VERSIONS = {
    "kind": f"v{pinned('kubernetes', 'kind')}",
    "helm": f"v{pinned('kubernetes', 'helm')}",
    "kubectl": f"v{pinned('kubernetes')}",
    "sops": f"v{pinned('sops')}",
}
SOPS = "https://github.com/getsops/sops/releases/download"
FORMULAS = {"kind": "kind", "helm": "helm", "kubectl": "kubernetes-cli", "sops": "sops"}


@dataclass(frozen=True)
class Package:
    """The packages of a program by package manager; `otherwise` is the command without one.

    An empty name means that this manager does not have it. `ubuntu` is for Ubuntu, where its names
    are not Debian's.
    """

    apt: str
    dnf: str
    brew: str
    otherwise: str
    ubuntu: str = ""


DOCKER = Package(
    apt="docker.io docker-cli docker-buildx docker-compose",
    ubuntu="docker.io docker-buildx docker-compose-v2",
    dnf="moby-engine docker-cli docker-buildx docker-compose",
    brew="--cask docker-desktop",
    otherwise="curl -fsSL https://get.docker.com | sh",
)
COMPOSE = Package(
    apt="docker-compose",
    ubuntu="docker-compose-v2",
    dnf="docker-compose",
    brew="docker-compose",
    otherwise=DOCKER.otherwise,
)
BUILDX = Package(
    apt="docker-buildx", dnf="docker-buildx", brew="docker-buildx", otherwise=DOCKER.otherwise
)
PYTHON = Package(apt="python3", dnf="python3", brew="python", otherwise="uv python install")
UV = Package(  # not by pip: where Python is the system's own, that refuses
    apt="", dnf="uv", brew="uv", otherwise="curl -LsSf https://astral.sh/uv/install.sh | sh"
)
CHROMIUM = Package(
    apt="chromium",
    ubuntu="chromium-browser",
    dnf="chromium",
    brew="--cask chromium",
    otherwise=f"{sys.executable} -m playwright install chromium",
)
MMDEBSTRAP = Package(
    apt="mmdebstrap uidmap",
    dnf="mmdebstrap shadow-utils",
    brew="",
    otherwise="habari-local config set HABARI_IMAGES upstream",
)


def manager(environ: Mapping[str, str]) -> str | None:
    """Return the package manager of this machine, None if it has none that is known here."""
    return next((each for each in MANAGERS if shutil.which(each, path=environ.get("PATH"))), None)


def install(package: Package, environ: Mapping[str, str]) -> str:
    """Return the command that installs a package, or a newer one over an older."""
    found = manager(environ)
    names = {"apt-get": _apt(package), "dnf": package.dnf, "brew": package.brew}.get(found or "")
    if not found or not names:
        return package.otherwise
    return f"{'' if found == 'brew' else sudo(environ)}{found} install {names}"


def install_cluster_tool(name: str, environ: Mapping[str, str]) -> str:
    """Return the command that installs kind, helm, kubectl or sops.

    Debian and Fedora don't package all of them, or not new enough; Homebrew does.
    """
    if manager(environ) == "brew":
        return f"brew install {FORMULAS[name]}"
    system, processor = target()
    version = VERSIONS[name]
    if name == "helm":
        root, part = sudo(environ), f"{system}-{processor}"
        unpack = f"{root}tar -xzC {BIN} --strip-components=1 {part}/helm"
        return f"curl -fL https://get.helm.sh/helm-{version}-{part}.tar.gz | {unpack}"
    url = {
        "kind": f"https://kind.sigs.k8s.io/dl/{version}/kind-{system}-{processor}",
        "kubectl": f"https://dl.k8s.io/release/{version}/bin/{system}/{processor}/kubectl",
        "sops": f"{SOPS}/{version}/sops-{version}.{system}.{processor}",
    }[name]
    return download(name, url, environ)


def download(name: str, url: str, environ: Mapping[str, str]) -> str:
    """Return the command that puts a program that is one file into /usr/local/bin."""
    root = sudo(environ)
    return f"{root}curl -fLo {BIN}/{name} {url} && {root}chmod +x {BIN}/{name}"


def target() -> tuple[str, str]:
    """Return this machine's system and processor as Go names them, and programs in Go with it."""
    processor = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return sys.platform, processor


def sudo(environ: Mapping[str, str]) -> str:
    """Return `sudo ` where one needs it: root does not, and a bare machine does not have it."""
    return "sudo " if os.geteuid() and shutil.which("sudo", path=environ.get("PATH")) else ""


def _apt(package: Package) -> str:
    """Return Debian's packages, or Ubuntu's; nothing where Debian's own Docker is too old."""
    release = _release()
    if release.get("ID") == "ubuntu":
        return package.ubuntu or package.apt
    if "docker" in package.apt and release.get("VERSION_CODENAME") == "bookworm":
        return ""
    return package.apt


def _release() -> dict[str, str]:
    """Return what /etc/os-release says of the system (os-release(5))."""
    text = RELEASE.read_text(encoding="utf-8") if RELEASE.is_file() else ""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}
