"""Making the images that are wanted: what is there stays, what is missing is built on its base."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from habari_local.config.secrets import write_private
from habari_local.config.settings import Settings
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.core.paths import Checkout, private_folder
from habari_local.diagnosis.docker_requirements import require_build_tools
from habari_local.drivers import git, mmdebstrap, processes
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.docker import registry as docker_registry
from habari_local.images import build_secrets, content_hash
from habari_local.images.build_errors import explain, shown
from habari_local.images.catalogue import Catalogue, Image, load, through, with_bases
from habari_local.images.chart_images import chart_images

Say = Callable[[str], None]
THERE = "already there"  # what a task returns that had nothing to do, as every step of a mode does
MIRROR = "DEBIAN_MIRROR"  # argument of a build that gets the setting
FOLDER = "images"  # of what is half-built; and the label of the programs that build
BASE_ENVIRONMENT = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8",
    "CMD bash",
)


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
            HabariError: a name that the catalogue lacks; no engine answers.
        """
        docker_images.program(self.environ)
        self._sweep()
        wanted = with_bases(self.catalogue, names)
        references = {image.name: self.reference(image.name) for image in wanted}
        lacking = {n for n in references if docker_images.find(references[n]) is None}
        needed = set(names or self.catalogue)
        for image in reversed(wanted):
            if image.name in needed & lacking:
                needed.update(each for each in image.needs if each in references)
        return [
            self._task(image, references[image.name], lacking & needed)
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

    def _task(self, image: Image, reference: str, lacking: set[str]) -> Task:
        after = tuple(each for each in image.needs if each in lacking)

        def perform(say: Say, cancel: threading.Event | None) -> str:
            if image.name not in lacking:
                return THERE
            self._make(image, reference, say, cancel)
            stored = docker_images.find(reference)
            if stored is None:
                raise HabariError(
                    f"Image {image.name}: built and not among the engine's images, {reference} was"
                    " expected there.",
                    "docker buildx use default",
                )
            return f"{'pulled' if image.pull else 'built'}, {stored.size / 1e6:.0f} MB"

        return Task(image, reference, after, perform)

    def _make(self, image: Image, reference: str, say: Say, cancel: threading.Event | None) -> None:
        if image.pull:
            docker_registry.pull(reference, say, cancel, build_secrets.ca_bundle(self.environ))
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
        for name in build_secrets.PROXIES:
            if self.environ.get(name):
                argv += ["--build-arg", name]
        argv += [*self._secrets(folder), str(root / image.context)]
        try:
            docker_images.build(
                argv, self._labelled, on_line=lambda line: say(shown(line)), cancel=cancel
            )
        except CommandFailed as error:
            raise explain(image.name, image.dockerfile, error) from error

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
        ca = build_secrets.ca_bundle(self.environ)
        file = folder / "mirrors"
        home = Path(self.environ.get("HOME", "/nonexistent"))
        write_private(file, build_secrets.script(self.environ, home, ca=ca is not None))
        secrets = ["--secret", f"id=mirrors,src={file}"]
        return [*secrets, "--secret", f"id=ca,src={ca}"] if ca else secrets
