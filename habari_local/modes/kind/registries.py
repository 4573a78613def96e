"""Where nodes get images: the registry beside them, upstream's registries, or a mirror of those.

It reads these files at each pull (https://github.com/containerd/containerd/blob/main/docs/hosts.md),
on upstream's nodes as on ours.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping

from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers import kind_nodes
from habari_local.drivers.docker import client as docker_client
from habari_local.images.build import ca_bundle
from habari_local.modes.kind import create_cluster, handles
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

NETWORK = "kind"  # kind's own network in the engine
CERTS = "/etc/containerd/certs.d"  # where containerd looks for registries' addresses
CA = "habari-ca.crt"  # what this machine trusts, a company's own authority too
KNOWN = "habari.sha256"  # of what was written
# Registries that a mirror is asked for; another one that a person names is asked itself.
UPSTREAM = ("docker.io", "quay.io", "registry.k8s.io", "ghcr.io", "gcr.io")


def step(after: tuple[str, ...]) -> Step:
    """Return the step that tells the nodes, as soon as they run, where images are."""

    def action(ctx: Context, say: Progress) -> str:
        polling.wait_until(
            lambda: _containerd_answers(ctx),
            "Nodes",
            seconds=create_cluster.START_SECONDS,
            cancel=ctx.cancel,
            tick=lambda: say("waiting for the nodes' containerd"),
        )
        docker_client.connect(
            NETWORK, handles.registry_container(ctx), handles.registry_container(ctx)
        )
        bundle = ca_bundle(ctx.environ)
        written = files(
            handles.registry(ctx),
            handles.registry_container(ctx),
            ctx.settings.image_mirror,
            bundle.read_bytes() if bundle else b"",
        )
        told = [tell(each, written) for each in handles.nodes(ctx)]
        return "the nodes know them" if any(told) else UNCHANGED

    return Step("registries", "registries of the nodes", action, after)


def files(registry: str, container: str, mirror: str, bundle: bytes) -> dict[str, bytes]:
    """Return the files of certs.d, by their paths in it.

    Args:
        registry: the name of the registry beside the cluster, HOST:PORT.
        container: where that one is for the nodes.
        mirror: of HABARI_IMAGE_MIRROR.
        bundle: the certificates that this machine trusts.
    """
    # containerd 1 reads no file without a table `host`.
    trusting = f'ca = "{CERTS}/{CA}"\n' if bundle else ""
    # As `server`, not as one host more: after that one the registry would be asked by its own name,
    # and containerd tells of what was asked last.
    told = {registry: f'server = "http://{container}:5000"\n[host]\n'}
    if trusting:
        told["_default"] = f"{trusting}[host]\n"
    if mirror:
        host, _, path = mirror.partition("/")
        scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        for each in UPSTREAM:
            address = "/".join(filter(None, (f"{scheme}://{host}/v2", path, each)))
            told[each] = f'server = "{address}"\noverride_path = true\n{trusting}[host]\n'
    written = {f"{name}/hosts.toml": text.encode() for name, text in told.items()}
    return {**written, **({CA: bundle} if bundle else {})}


def tell(of: kind_nodes.Node, written: Mapping[str, bytes]) -> bool:
    """Write the files unless they are there; return whether it did."""
    content = repr(sorted(written.items())).encode()
    digest = hashlib.sha256(content).hexdigest().encode()
    script = f"cat {CERTS}/{KNOWN} 2>/dev/null || true"
    if kind_nodes.execute(of, ["sh", "-c", script]).encode() == digest:
        return False
    # What was written before and is not any more goes: a mirror that was given up.
    gone = " ".join(f"{CERTS}/{each}" for each in ("_default", *UPSTREAM))
    kind_nodes.execute(of, ["sh", "-c", f"mkdir -p {CERTS} && rm -rf {gone}"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in {**written, KNOWN: digest}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text))
    docker_client.api().put_archive(of.id, CERTS, packed.getvalue())
    return True


def _containerd_answers(ctx: Context) -> bool:
    found = [each for each in handles.nodes(ctx) if each.running]
    try:
        for each in found:
            kind_nodes.execute(each, ["ctr", "version"])
    except HabariError:
        return False
    return len(found) == ctx.settings.nodes
