"""Making the images that are wanted: what is there stays, what is missing is built on its base.

A build gets this machine's CA bundle and package mirrors as secrets, so that no layer keeps them.
What went wrong in it is read from BuildKit's plain progress.
"""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from habari_local.config.load import environment
from habari_local.config.secrets import write_private
from habari_local.config.settings import Settings
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.core.paths import Checkout, private_folder
from habari_local.diagnosis.requirements import require_build_tools
from habari_local.drivers import git, mmdebstrap, processes
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.drivers.docker.images import WITHOUT
from habari_local.drivers.install_errors import NETWORK, network_hint
from habari_local.images import content_hash
from habari_local.images.catalogue import Catalogue, Image, load, through, with_bases

Say = Callable[[str], None]
THERE = "already there"  # what a task returns that had nothing to do, as every step of a mode does
MIRROR = "DEBIAN_MIRROR"  # argument of a build that gets the setting
FOLDER = "images"  # of what is half-built; and the label of the programs that build
BASE_ENVIRONMENT = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8",
    "CMD bash",
)
TAIL = 20
# The footer of a failed build: `Dockerfile:7`, a rule, and the step's lines marked `>>>`.
FAILED_LINE = re.compile(r"^\S*?:(\d+)$")
FAILED_STEP = re.compile(r"^\s*\d+ \| >>> (.*)$")
STEP_OUTPUT = re.compile(r"^#(\d+) \d+\.\d+ ?(.*)$")
STEP_FAILED = re.compile(r"^#(\d+) ERROR: (.*)$")
REGISTRY_FAILED = re.compile(r"failed to resolve source metadata|failed to do request: Head")
DISK_FULL = re.compile(r"no space left on device", re.IGNORECASE)
STEP_NUMBERS = re.compile(r"^#\d+ (?:\d+\.\d+ ?)?")
CA = "/run/secrets/ca"
TRUSTING = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PASSED_ON = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "NPM_CONFIG_REGISTRY",
    "GOPROXY",
)
# Docker knows these as build arguments that it keeps out of the image's history.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Task:
    """One image to make sure of; `after` names the tasks that must be over."""

    image: Image
    reference: str
    after: tuple[str, ...]
    perform: Callable[[Say, threading.Event | None], str]

    @property
    def name(self) -> str:
        """The image's."""
        return self.image.name

    @property
    def title(self) -> str:
        """What a person sees."""
        return f"image {self.image.name}"


@dataclass(frozen=True)
class Images:
    """The images of one checkout with one set of settings."""

    checkout: Checkout
    settings: Settings
    environ: Mapping[str, str]

    @cached_property
    def catalogue(self) -> Catalogue:
        """The images as HABARI_IMAGES has them made."""
        images = load(self.settings.images)
        for name, image in images.items():
            if MIRROR in image.args:
                args = {**image.args, MIRROR: self.settings.debian_mirror}
                images[name] = replace(image, args=args)
        given = self.settings.notebook_image
        if given:
            images["notebook"] = replace(images["notebook"], pull=given, dockerfile="", base="")
        if self.settings.images == "upstream":
            from habari_local.images.upstream import chart_images

            found = chart_images(self.settings, self.checkout.root, self.environ)
            images |= {each.name: each for each in found}
        return images

    def used(self) -> list[str]:
        """Name the images that some mode runs with these settings: of S3, the backend's alone."""
        backend = self.settings.s3_backend
        unused = set() if backend == "auto" else {"s3-moto", "s3-localstack"} - {f"s3-{backend}"}
        unused |= {"github"} if self.settings.real_github else set()
        return [name for name in self.catalogue if name not in unused]

    def reference(self, name: str) -> str:
        """Return what an image is called, whether it is there or not."""
        mirror = self.settings.debian_mirror
        found = content_hash.reference(self.checkout.root, self.catalogue, name, mirror)
        upstream = self.catalogue[name].pull and found != self.settings.notebook_image
        return through(found, self.settings.image_mirror) if upstream else found

    def foreign(self, modes: Sequence[str]) -> dict[str, str]:
        """Return what these modes have from registries: name → reference, as it is asked for."""
        found = {}
        for image in with_bases(self.catalogue, self.used()):
            for_modes = image.modes or modes  # a base has none of its own
            if image.pull and set(modes) & set(for_modes):
                found[image.name] = self.reference(image.name)
            elif image.base and image.base not in self.catalogue and set(modes) & set(for_modes):
                found[image.name] = through(image.base, self.settings.image_mirror)
        return found

    def tasks(self, names: Sequence[str]) -> list[Task]:
        """Return what to do so that these images are there, each after what it stands on.

        Of a base that only images stand on that are there already, nothing is asked.

        Raises:
            HabariError: a name that is not in the catalogue; no engine answers.
        """
        docker_images.program(self.environ)
        self._sweep()
        wanted = with_bases(self.catalogue, names)
        references = {image.name: self.reference(image.name) for image in wanted}
        missing = {n for n in references if docker_images.find(references[n]) is None}
        needed = set(names or self.catalogue)
        for image in reversed(wanted):
            if image.name in needed & missing:
                needed.update(each for each in image.needs if each in references)
        return [
            self._task(image, references[image.name], missing & needed)
            for image in wanted
            if image.name in needed
        ]

    def _sweep(self) -> None:
        """End and delete what a killed habari-local left half-built: its caller holds the lock."""
        folder = self.checkout.root / ".habari" / FOLDER
        if folder.is_dir() and any(folder.iterdir()):
            left = processes.find(self.checkout.id, FOLDER)
            processes.stop(found.process for found in left)
            shutil.rmtree(folder)

    def _task(self, image: Image, reference: str, missing: set[str]) -> Task:
        after = tuple(each for each in image.needs if each in missing)

        def perform(say: Say, cancel: threading.Event | None) -> str:
            if image.name not in missing:
                return THERE
            self._make(image, reference, say, cancel)
            stored = docker_images.find(reference)
            if stored is None:
                raise HabariError(
                    f"Image {image.name}: built, but {reference} is not among the engine's images.",
                    "docker buildx use default",
                )
            return f"{'pulled' if image.pull else 'built'}, {stored.size / 1e6:.0f} MB"

        return Task(image, reference, after, perform)

    def _make(self, image: Image, reference: str, say: Say, cancel: threading.Event | None) -> None:
        if image.pull:
            docker_registry.pull(reference, say, cancel, ca_bundle(self.environ))
            return
        folder = private_folder(self.checkout.state / FOLDER)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{image.name}-") as made:
            if image.bootstrap:
                self._bootstrap(image, reference, Path(made), say, cancel)
            else:
                self._build(image, reference, Path(made), say, cancel)

    def _bootstrap(
        self, image: Image, reference: str, folder: Path, say: Say, cancel: threading.Event | None
    ) -> None:
        tar = folder / "root.tar"
        script = self.checkout.root / image.bootstrap
        say(f"Debian {image.suite} from packages")
        mirror = self.settings.debian_mirror
        mmdebstrap.bootstrap(
            script, tar, image.suite, mirror, self._labelled, on_line=say, cancel=cancel
        )
        labels = [f'LABEL {name}="{value}"' for name, value in self._labels(image).items()]
        docker_images.import_tar(tar, reference, [*BASE_ENVIRONMENT, *labels])

    def _build(
        self, image: Image, reference: str, folder: Path, say: Say, cancel: threading.Event | None
    ) -> None:
        require_build_tools(self.environ)
        root = self.checkout.root
        argv = ["--tag", reference, "--file", str(root / image.dockerfile), "--provenance=false"]
        made_from = {"BASE": image.base, **image.uses}
        known = {k: self.reference(v) for k, v in made_from.items() if v in self.catalogue}
        mirrored = {k: through(v, self.settings.image_mirror) for k, v in made_from.items() if v}
        for name, value in {**mirrored, **known, **image.args}.items():
            argv += ["--build-arg", f"{name}={value}"]
        for name, value in self._labels(image).items():
            argv += ["--label", f"{name}={value}"]
        for name in PROXIES:
            if self.environ.get(name):
                argv += ["--build-arg", name]
        argv += [*self._secrets(folder), str(root / image.context)]
        try:
            docker_images.build(
                argv,
                self._labelled,
                on_line=lambda line: say(without_step_numbers(line)),
                cancel=cancel,
            )
        except CommandFailed as error:
            raise explain_failure(image.name, image.dockerfile, error) from error

    @property
    def _labelled(self) -> dict[str, str]:
        return {**self.environ, processes.LABEL: f"{self.checkout.id}/{FOLDER}"}

    def _labels(self, image: Image) -> dict[str, str]:
        commit = git.commit(self.checkout.root, self.environ)
        return {
            docker_images.LABEL: image.name,
            "dev.habari.checkout": self.checkout.id,
            docker_images.COMMIT: commit,
        }

    def _secrets(self, folder: Path) -> list[str]:
        ca = ca_bundle(self.environ)
        file = folder / "mirrors"
        home = Path(self.environ.get("HOME", "/nonexistent"))
        write_private(file, mirrors_script(self.environ, home, ca=ca is not None))
        secrets = ["--secret", f"id=mirrors,src={file}"]
        return [*secrets, "--secret", f"id=ca,src={ca}"] if ca else secrets


def explain_failure(name: str, dockerfile: str, error: CommandFailed) -> HabariError:
    """Return the error that a person can act on, made from what `docker buildx build` printed."""
    lines = error.output.splitlines()
    if DISK_FULL.search(error.output):
        return HabariError(
            f"Docker's disk: full while building the image {name}.",
            "habari-local image prune",
            details=failed_output(lines),
        )
    place = next((found[1] for line in reversed(lines) if (found := FAILED_LINE.match(line))), "")
    where = f"{dockerfile}:{place}" if place else dockerfile
    step = next((found[1] for line in lines if (found := FAILED_STEP.match(line))), "")
    what = f" in `{step.rstrip(' ;' + chr(92))}`" if step else ""
    reason = _reason(lines, error.returncode)
    return HabariError(
        f"{where} (image {name}): {reason}{what}.",
        _hint(name, error.output, lines),
        details=failed_output(lines),
    )


def _hint(name: str, output: str, lines: Sequence[str]) -> str:
    """Return the way round a registry, what to look at in the network, or the command again."""
    again = f"habari-local image build {name}"
    if REGISTRY_FAILED.search(output):
        return WITHOUT
    failed = NETWORK.search("\n".join(failed_output(lines)))
    return network_hint(environment(), f"repeat: {again}") if failed else again


def failed_output(lines: Sequence[str]) -> list[str]:
    """Return the last lines that the failed step printed, else the last lines of all."""
    failed = next((found[1] for line in lines if (found := STEP_FAILED.match(line))), "")
    spoken = [
        found[2]
        for line in lines
        if (found := STEP_OUTPUT.match(line)) and found[1] == failed and found[2]
    ]
    return (spoken or [line for line in lines if line.strip()])[-TAIL:]


def without_step_numbers(line: str) -> str:
    """Return a line of progress without BuildKit's numbers."""
    return STEP_NUMBERS.sub("", line).strip()


def _reason(lines: Sequence[str], code: int) -> str:
    said = next((found[2] for line in lines if (found := STEP_FAILED.match(line))), "")
    exit_code = re.search(r"exit code: (\d+)", said)
    if exit_code:
        return f"exit code {exit_code[1]}"
    last = next((line for line in reversed(lines) if line.startswith("ERROR: ")), "")
    return (said or last.removeprefix("ERROR: ") or f"exit code {code}")[:400]


def ca_bundle(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the certificates that this machine trusts, if there is one."""
    named = [environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    system = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    return next((Path(each) for each in [*named, *system] if each and Path(each).is_file()), None)


def mirrors_script(environ: Mapping[str, str], home: Path, *, ca: bool) -> str:
    """Return the shell lines that a build step sources: mirrors, and where the CA bundle is."""
    values = dict.fromkeys(TRUSTING, CA) if ca else {}
    values |= _configured(home)
    values |= {name: environ[name] for name in PASSED_ON if environ.get(name)}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _configured(home: Path) -> dict[str, str]:
    """Return the mirrors that pip's and npm's own files name, the person's before the machine's."""
    values: dict[str, str] = {}
    for path in (Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"):
        parser = configparser.RawConfigParser()
        parser.read(path)
        for key in ("index-url", "extra-index-url", "trusted-host"):
            if parser.has_option("global", key):
                values[f"PIP_{key.replace('-', '_').upper()}"] = parser.get("global", key)
    for path in (Path("/etc/npmrc"), home / ".npmrc"):
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            key, _, value = line.partition("=")
            if key.strip() == "registry":
                values["NPM_CONFIG_REGISTRY"] = value.strip()
    return values
