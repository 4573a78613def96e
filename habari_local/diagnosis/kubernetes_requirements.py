"""What mode kind needs of the machine besides Docker: kind, helm and kubectl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from habari_local.diagnosis.requirements import Finding, Requirement, at_least, version_of
from habari_local.drivers import cluster_tools

# The first that this mode was made with; older ones don't know the node's Kubernetes.
LEAST = {"kind": (0, 31), "helm": (3, 18), "kubectl": (1, 33)}
ASK = {
    "kind": ("version",),
    "helm": ("version", "--short"),
    "kubectl": ("version", "--client"),
}


def _check(name: str) -> Callable[[Mapping[str, str]], Finding]:
    look = at_least(version_of(name, *ASK[name]), LEAST[name])

    def check(env: Mapping[str, str]) -> Finding:
        if env.get("HABARI_IMAGES") == "packages":
            return Finding("of our image", good=True)
        return look(env)

    return check


TOOLS = tuple(
    Requirement(
        name,
        f"{'.'.join(map(str, LEAST[name]))} or newer",
        partial(cluster_tools.install, name),
        _check(name),
    )
    for name in LEAST
)
