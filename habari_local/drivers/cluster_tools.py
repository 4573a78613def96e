"""kind, helm and kubectl: the commands that install them, from where their makers release them."""

from __future__ import annotations

from collections.abc import Mapping

from habari_local.core.versions import pinned
from habari_local.drivers import package_manager

VERSIONS = {
    "kind": f"v{pinned('kubernetes', 'kind')}",
    "helm": f"v{pinned('kubernetes', 'helm')}",
    "kubectl": f"v{pinned('kubernetes')}",
}
FORMULAS = {"kind": "kind", "helm": "helm", "kubectl": "kubernetes-cli"}


def install(name: str, environ: Mapping[str, str]) -> str:
    """Return the command that installs one of the programs.

    Debian and Fedora don't package all of them, or not new enough; Homebrew does.
    """
    if package_manager.manager(environ) == "brew":
        return f"brew install {FORMULAS[name]}"
    system, processor = package_manager.target()
    version = VERSIONS[name]
    if name == "helm":
        root, part = package_manager.sudo(environ), f"{system}-{processor}"
        unpack = f"{root}tar -xzC {package_manager.BIN} --strip-components=1 {part}/helm"
        return f"curl -fL https://get.helm.sh/helm-{version}-{part}.tar.gz | {unpack}"
    url = {
        "kind": f"https://kind.sigs.k8s.io/dl/{version}/kind-{system}-{processor}",
        "kubectl": f"https://dl.k8s.io/release/{version}/bin/{system}/{processor}/kubectl",
    }[name]
    return package_manager.download(name, url, environ)
