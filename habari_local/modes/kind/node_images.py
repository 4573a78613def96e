"""How images get on the nodes: the registry beside them, what is pushed to it, what they pull.

A node finds registries in the files of certs.d, which it reads at each pull
(https://github.com/containerd/containerd/blob/main/docs/hosts.md), upstream's nodes as ours.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from habari_local.config.render.compose import as_dotenv
from habari_local.config.secrets import write_private
from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.drivers import kind
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.drivers.docker.volumes import Owner, keep_cache
from habari_local.images.build import ca_bundle
from habari_local.modes.kind.create_cluster import START_SECONDS
from habari_local.modes.kind.platform import NAME, REGISTRY, KindPlatform
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

REGISTRY_OWNER = Owner(1000, 100)  # as compose/kind.yml has it, whichever image it is
CTR = ("ctr", "--namespace", "k8s.io", "images")  # where the kubelet finds what is pulled
NETWORK = "kind"  # kind's own network in the engine
CERTS = "/etc/containerd/certs.d"  # where containerd looks for registries' addresses
CA = "habari-ca.crt"  # what this machine trusts, a company's own authority too
KNOWN = "habari.sha256"  # of what was written
# Registries that a mirror is asked for; another one that a person names is asked itself.
UPSTREAM = ("docker.io", "quay.io", "registry.k8s.io", "ghcr.io", "gcr.io")


def registry(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that has Compose start the registry beside the cluster."""
    begun: list[bool] = []

    def action(ctx: Context, say: Progress) -> str:
        say("Docker Compose creates the registry")
        before = {each.id for each in platform.registry_containers() if each.state == "running"}
        reference = ctx.images.reference(REGISTRY)
        write_private(platform.project.env_file, as_dotenv(_variables(platform, reference)))
        begun.append(True)
        labels = {docker_images.LABEL: REGISTRY}
        done = (
            "" if before else keep_cache(docker_images.REGISTRY, labels, reference, REGISTRY_OWNER)
        )
        platform.project.up((), cancel=ctx.cancel)
        polling.wait_until(
            lambda: polling.http_ok(f"{_local(platform)}/v2/"),
            "Registry",
            seconds=30,
            cancel=ctx.cancel,
            hint="habari-local logs registry",
        )
        now = {each.id for each in platform.registry_containers()}
        return UNCHANGED if now == before else "; ".join(filter(None, ["started", done]))

    def undo(_ctx: Context) -> None:
        platform.project.end_leftovers()
        if not platform.nodes():
            docker_client.remove_all(platform.labels, interrupted=bool(begun))

    return Step("registry", "registry", action, after, undo)


def _variables(platform: KindPlatform, image: str) -> dict[str, str]:
    return {
        "UP_PROJECT": platform.project.name,
        "UP_MODE": NAME,
        "UP_CHECKOUT": platform.ctx.checkout.id,
        "UP_IMAGE_REGISTRY": image,
        "UP_PORT_REGISTRY": str(platform.ctx.settings.port("registry")),
    }


def _local(platform: KindPlatform) -> str:
    return f"http://127.0.0.1:{platform.ctx.settings.port('registry')}"


def push(platform: KindPlatform, names: Mapping[str, str], after: tuple[str, ...]) -> Step:
    """Return the step that has the registry hold the images: what it has is not sent again."""

    def has(reference: str) -> bool:
        repository, _, tag = reference.rpartition(":")
        return polling.http_ok(f"{_local(platform)}/v2/{repository}/manifests/{tag}")

    def action(ctx: Context, say: Progress) -> str:
        say("asking the registry")
        wanted = [ctx.images.reference(image) for image in names.values()]
        missing = [each for each in wanted if not has(each)]

        def push_one(reference: str) -> None:
            target = f"{platform.registry}/{reference}"
            docker_registry.push(reference, target, lambda text: say(f"{reference}: {text}"))

        docker_client.in_parallel(push_one, missing)
        sent = ", ".join(each.partition(":")[0] for each in missing)
        return f"sent {sent}" if sent else UNCHANGED

    return Step("push", "images in the registry", action, after)


def registries(platform: KindPlatform, after: tuple[str, ...]) -> Step:
    """Return the step that tells the nodes, as soon as they run, where images are."""

    def action(ctx: Context, say: Progress) -> str:
        polling.wait_until(
            lambda: _containerd_answers(platform),
            "Nodes",
            seconds=START_SECONDS,
            cancel=ctx.cancel,
            tick=lambda: say("waiting for the nodes' containerd"),
        )
        container = platform.registry_container
        docker_client.connect(NETWORK, container, container)
        bundle = ca_bundle(ctx.environ)
        trusted = bundle.read_bytes() if bundle else b""
        found = hosts_files(platform.registry, container, ctx.settings.image_mirror, trusted)
        written = [write_hosts_files(each, found) for each in platform.nodes()]
        return "the nodes know them" if any(written) else UNCHANGED

    return Step("registries", "registries of the nodes", action, after)


def _containerd_answers(platform: KindPlatform) -> bool:
    found = [each for each in platform.nodes() if each.running]
    try:
        for each in found:
            kind.execute(each, ["ctr", "version"])
    except HabariError:
        return False
    return len(found) == platform.ctx.settings.nodes


def hosts_files(registry: str, container: str, mirror: str, bundle: bytes) -> dict[str, bytes]:
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
    hosts = {registry: f'server = "http://{container}:5000"\n[host]\n'}
    if trusting:
        hosts["_default"] = f"{trusting}[host]\n"
    if mirror:
        host, _, path = mirror.partition("/")
        scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        for each in UPSTREAM:
            address = "/".join(filter(None, (f"{scheme}://{host}/v2", path, each)))
            hosts[each] = f'server = "{address}"\noverride_path = true\n{trusting}[host]\n'
    written = {f"{name}/hosts.toml": text.encode() for name, text in hosts.items()}
    return {**written, **({CA: bundle} if bundle else {})}


def write_hosts_files(node: kind.Node, files: Mapping[str, bytes]) -> bool:
    """Write the files unless they are there; return whether it did."""
    content = repr(sorted(files.items())).encode()
    digest = hashlib.sha256(content).hexdigest().encode()
    script = f"cat {CERTS}/{KNOWN} 2>/dev/null || true"
    if kind.execute(node, ["sh", "-c", script]).encode() == digest:
        return False
    # What was written before and is not any more goes: a mirror that was given up.
    gone = " ".join(f"{CERTS}/{each}" for each in ("_default", *UPSTREAM))
    kind.execute(node, ["sh", "-c", f"mkdir -p {CERTS} && rm -rf {gone}"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in {**files, KNOWN: digest}.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text))
    docker_client.api().put_archive(node.id, CERTS, packed.getvalue())
    return True


def pulls(platform: KindPlatform, names: Mapping[str, str], after: tuple[str, ...]) -> Step:
    """Return the step that has the nodes pull the images while the control plane comes up."""

    def action(ctx: Context, say: Progress) -> str:
        references = list(platform.pushed(names).values())
        nodes = platform.nodes()
        with ThreadPoolExecutor(len(nodes)) as pool:
            found = list(pool.map(lambda each: _pull(each, references, ctx.cancel, say), nodes))
        pulled = sum(map(len, found))
        return f"pulled {pulled}" if pulled else UNCHANGED

    return Step("pulls", "images on the nodes", action, after)


def _pull(
    node: kind.Node, references: Sequence[str], cancel: threading.Event, say: Progress
) -> list[str]:
    there = kind.execute(node, [*CTR, "list", "--quiet"]).split()
    missing = [each for each in references if each not in there]
    left = set(missing)

    def pull_one(reference: str) -> None:
        say(f"pulling {', '.join(sorted(name.rpartition('/')[2] for name in left))}")
        kind.execute(node, [*CTR, "pull", "--hosts-dir", CERTS, reference], cancel=cancel)
        left.discard(reference)

    if missing:
        with ThreadPoolExecutor(2) as pool:  # unpacking is what takes the time
            list(pool.map(pull_one, missing))
    return missing
