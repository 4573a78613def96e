"""The catalogue, the tags, the words for a failed build: all that needs no Docker."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.errors import CommandFailed, HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import images as docker_images
from habari_local.drivers.package_manager import VERSIONS
from habari_local.images import build, catalogue, content_hash
from habari_local.images.build import Images
from habari_local.images.catalogue import SOURCES, Source

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"
EVERY = [(source, name) for source in SOURCES for name in catalogue.load(source)]
DIGEST = re.compile(r"[^@:]+:[^@:]+@sha256:[0-9a-f]{64}")


def refer(name: str, source: Source = "packages", root: Path = ROOT, mirror: str = MIRROR) -> str:
    return content_hash.reference(root, catalogue.load(source), name, mirror)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that images are made of, to change."""
    for folder in ("hub", "jupyter", "images", "kind", "habari_local/identity"):
        ignored = shutil.ignore_patterns("node_modules", "__pycache__", ".habari")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    return tmp_path


@pytest.mark.parametrize(("source", "name"), EVERY)
def test_every_image_comes_from_one_place_that_is_there(source: Source, name: str) -> None:
    image = catalogue.load(source)[name]
    assert [bool(image.pull), bool(image.dockerfile), bool(image.bootstrap)].count(True) == 1
    assert all(
        path.is_file() for path in (content_hash.inputs(ROOT, image) if not image.pull else ())
    )
    if image.dockerfile:
        text = (ROOT / image.dockerfile).read_text(encoding="utf-8")
        named = {"${BASE}", *(f"${{{name}}}" for name in image.uses)}
        assert named == set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - {"scratch"}
        assert "# syntax" not in text, "BuildKit's own front end: another comes from a registry"


@pytest.mark.parametrize("name", catalogue.load("upstream"))
def test_what_comes_from_a_registry_is_pinned_by_tag_and_digest(name: str) -> None:
    images = catalogue.load("upstream")
    image = images[name]
    foreign = [each for each in (image.pull, image.base) if each and each not in images]
    assert all(DIGEST.fullmatch(each) for each in foreign)


def test_packages_need_no_registry() -> None:
    images = catalogue.load("packages")
    assert all(not each.pull and {*each.needs} <= {*images} for each in images.values())


def test_the_notebook_builds_by_itself_on_the_base_of_the_catalogue() -> None:
    text = (ROOT / "jupyter" / "Dockerfile").read_text(encoding="utf-8")
    assert f"ARG BASE={catalogue.load('upstream')['notebook'].base}\n" in text


def test_the_upstream_node_is_one_that_the_pinned_kind_publishes() -> None:
    """Node images of another kind need not work: whoever raises one looks up the other."""
    published = {"v0.33.0": ("v1.34.11", "v1.35.8", "v1.36.4", "v1.37.0")}  # by its release notes
    version = catalogue.load("upstream")["node"].pull.rpartition("@")[0].rpartition(":")[2]
    assert version in published[VERSIONS["kind"]]


@pytest.mark.parametrize(("source", "name"), EVERY)
def test_a_tag_is_never_a_moving_one(source: Source, name: str) -> None:
    assert "latest" not in refer(name, source)
    assert refer(name, source) == refer(name, source)


def test_the_two_sources_never_share_a_tag() -> None:
    ours = {each.name for each in catalogue.load("upstream").values() if not each.pull}
    assert all(refer(name, "upstream") != refer(name, "packages") for name in ours)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("hub", "hub/Dockerfile"),
        ("hub", "hub/requirements-docker.txt"),
        ("hub", "hub/habari_hub/settings.py"),
        ("notebook", "jupyter/habari_contents/habari_contents/bucket.py"),
        ("github", "habari_local/identity/github.py"),
        ("proxy", "images/proxy/package-lock.json"),
        ("node", "kind/node/manifests/default-cni.yaml"),
        ("node", "images/kubernetes/make-part"),
        ("s3-moto", "images/base/bootstrap"),
        ("notebook", "images/base/bootstrap"),
    ],
)
def test_a_change_of_what_goes_in_is_another_tag(copy: Path, name: str, changed: str) -> None:
    before = refer(name, root=copy)
    path = copy / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert refer(name, root=copy) != before


def test_a_program_that_may_not_be_run_any_more_is_another_tag(copy: Path) -> None:
    before = refer("postgres", root=copy)
    (copy / "images/postgres/start").chmod(0o644)
    assert refer("postgres", root=copy) != before


@pytest.mark.parametrize(
    "irrelevant",
    ["hub/tests/test_new.py", "hub/requirements-test.txt", "hub/habari_hub/__pycache__/x.pyc"],
)
def test_what_does_not_go_in_leaves_the_tag(copy: Path, irrelevant: str) -> None:
    before = refer("hub", root=copy)
    path = copy / irrelevant
    path.parent.mkdir(exist_ok=True)
    path.write_text("something new\n")
    assert refer("hub", root=copy) == before


def test_another_mirror_is_another_base_and_all_on_it() -> None:
    other = "https://mirror.example/debian"
    assert refer("hub", mirror=other) != refer("hub")
    assert refer("hub", "upstream", mirror=other) == refer("hub", "upstream")


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ("quay.io/jupyterhub/k8s-hub:4.4.0", "m.test/cache/quay.io/jupyterhub/k8s-hub:4.4.0"),
        ("docker.io/library/postgres:17", "m.test/cache/docker.io/library/postgres:17"),
        ("postgres:17", "m.test/cache/docker.io/library/postgres:17"),
        ("kindest/node:v1", "m.test/cache/docker.io/kindest/node:v1"),
        ("localhost:5001/x:1", "m.test/cache/localhost:5001/x:1"),
    ],
)
def test_an_upstream_image_has_its_whole_name_at_a_mirror(reference: str, there: str) -> None:
    assert catalogue.through(reference, "m.test/cache") == there
    assert catalogue.through(reference, "") == reference


def of(**settings: str) -> Images:
    return Images(Checkout(ROOT), Settings(images="upstream", **settings), {})  # type: ignore[arg-type]


def test_a_mirror_of_images_is_asked_for_all_that_is_upstreams() -> None:
    plain, mirrored = of(), of(image_mirror="m.test/cache")
    for name, image in plain.catalogue.items():
        if image.pull:
            assert mirrored.reference(name) == f"m.test/cache/{image.pull}"
        else:  # the same content, wherever its base was pulled from
            assert mirrored.reference(name) == plain.reference(name)
    own = of(image_mirror="m.test/cache", notebook_image="our.org/notebook:1")
    assert own.reference("notebook") == "our.org/notebook:1"


def test_builds_from_upstream_bases_get_both_mirrors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(build, "require_build_tools", lambda _: None)
    monkeypatch.setattr(docker_images, "build", lambda argv, *_, **__: seen.extend(argv))
    images = of(image_mirror="m.test", debian_mirror="http://d.test/debian")
    images._build(images.catalogue["base"], "base:1", tmp_path, lambda _: None, None)
    python = images.catalogue["base"].base
    assert {f"BASE=m.test/{python}", "DEBIAN_MIRROR=http://d.test/debian"} <= {*seen}
    assert images.reference("base") != of().reference("base")


def test_a_dockerignore_that_is_no_list_of_what_is_allowed_is_refused(copy: Path) -> None:
    (copy / "hub" / ".dockerignore").write_text("*\n!habari_hub\ntests/**\n")
    with pytest.raises(HabariError, match=r"hub/\.dockerignore: not a list of what is allowed"):
        refer("hub", root=copy)


def test_bases_come_first_and_an_unknown_image_is_named() -> None:
    images = catalogue.load("packages")
    ordered = [each.name for each in catalogue.with_bases(images, ["hub", "notebook"])]
    assert ordered == ["base", "hub", "notebook"]
    with pytest.raises(HabariError, match="Image hubb: not known, expected one of base, notebook"):
        catalogue.choose(images, ["hubb"])


def test_what_an_image_copies_from_comes_first_and_is_in_its_tag() -> None:
    images = catalogue.load("packages")
    images["node"] = replace(images["registry"], name="node", uses={"PROGRAMS": "tools"})
    ordered = [each.name for each in catalogue.with_bases(images, ["node"])]
    assert ordered == ["base", "tools", "node"]
    before = content_hash.reference(ROOT, images, "node", MIRROR)
    images["tools"] = replace(images["tools"], args={"PART": "other"})
    assert content_hash.reference(ROOT, images, "node", MIRROR) != before


def test_an_image_without_an_origin_for_a_source_is_not_in_its_catalogue() -> None:
    assert "kubernetes" in catalogue.load("packages")
    assert "kubernetes" not in catalogue.load("upstream")


BROKEN = """\
#7 [stage-1 2/6] RUN useradd --create-home habari
#7 DONE 1.0s

#8 [build 3/3] RUN --mount=type=secret,id=ca set -eu; pip install x
#8 21.10 Collecting x
#8 22.64 ERROR: No matching distribution found for x
#8 ERROR: process "/bin/sh -c set -eu; pip install x" did not complete successfully: exit code: 1
------
 > [build 3/3] RUN --mount=type=secret,id=ca set -eu; pip install x:
22.64 ERROR: No matching distribution found for x
------
Dockerfile:7
--------------------
   6 |     # A comment.
   7 | >>> RUN --mount=type=secret,id=ca set -eu; \\
   8 | >>>     pip install x
--------------------
ERROR: failed to solve: process "/bin/sh -c set -eu; pip install x" did not complete: exit code: 1
"""


def test_a_failed_build_names_the_line_and_gives_the_steps_last_words() -> None:
    error = build.explain_failure("hub", "hub/Dockerfile", CommandFailed(["docker"], 1, BROKEN))
    assert error.message.startswith("hub/Dockerfile:7 (image hub): exit code 1 in `RUN --mount")
    assert error.hint == "habari-local image build hub"
    assert error.details == ("Collecting x", "ERROR: No matching distribution found for x")


def test_a_failed_build_gives_twenty_lines_at_most() -> None:
    spoken = "".join(f"#8 1.{n} line {n}\n" for n in range(100))
    error = build.explain_failure("hub", "D", CommandFailed(["docker"], 1, spoken + BROKEN))
    assert len(error.details) == 20
    assert error.details[-1].endswith("for x")


def test_a_build_that_never_began_says_what_docker_said() -> None:
    said = 'ERROR: failed to solve: image "nowhere/x:1": not found\n'
    error = build.explain_failure("hub", "hub/Dockerfile", CommandFailed(["docker"], 1, said))
    assert 'failed to solve: image "nowhere/x:1": not found' in error.message


def test_a_base_that_no_registry_gave_leads_to_packages() -> None:
    said = "ERROR: failed to solve: docker.io/library/x:1: failed to resolve source metadata for"
    error = build.explain_failure(
        "base", "D", CommandFailed(["docker"], 1, f"{said} x: dial tcp: no")
    )
    assert error.hint == "habari-local config set HABARI_IMAGES packages"


def test_a_full_disk_is_named_as_such() -> None:
    said = "#8 2.0 write /opt/x: no space left on device\n#8 ERROR: process: exit code: 1\n"
    error = build.explain_failure("hub", "hub/Dockerfile", CommandFailed(["docker"], 1, said))
    assert error.message.startswith("Docker's disk: full while building the image hub")
    assert error.hint == "habari-local image prune"


def test_progress_is_shown_without_buildkits_numbers() -> None:
    assert build.without_step_numbers("#8 22.64 Collecting x") == "Collecting x"
    assert build.without_step_numbers("#8 [build 3/3] RUN x") == "[build 3/3] RUN x"


def test_mirrors_are_quoted_and_the_environment_goes_before_files(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://files/simple\ntrusted-host = files\n"
    )
    (tmp_path / ".npmrc").write_text("registry=https://npm.example/\n")
    environ = {"PIP_INDEX_URL": "https://user:it's secret@env/simple"}
    text = build.mirrors_script(environ, tmp_path, ca=False)
    assert "export PIP_INDEX_URL='https://user:it'\"'\"'s secret@env/simple'\n" in text
    assert "export PIP_TRUSTED_HOST=files\n" in text
    assert "export NPM_CONFIG_REGISTRY=https://npm.example/\n" in text
    assert build.CA not in text
    assert f"export SSL_CERT_FILE={build.CA}\n" in build.mirrors_script({}, tmp_path, ca=True)


def test_the_ca_bundle_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    own = tmp_path / "ca.pem"
    own.write_text("")
    assert build.ca_bundle({"SSL_CERT_FILE": str(own)}) == own
    assert build.ca_bundle({"SSL_CERT_FILE": str(tmp_path / "gone")}) != tmp_path / "gone"
