"""What every built image must be: small, ours by label, without secrets, the locks' versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
import uuid
from pathlib import Path

import pytest

from habari_local.core.paths import Checkout
from habari_local.drivers.docker import images as docker_images
from habari_local.images import catalogue, push_prune
from habari_local.images.build import Images, ca_bundle
from tests.images.conftest import ROOT, Run

NAMES = list(catalogue.load("packages"))
# Programs alone, without a system around them: they are copied out of, and nothing runs in them.
PROGRAMS = ["tools", "kubernetes"]
# A machine, not a service: its systemd, kubelet and containerd are root, in a privileged container;
# and what writes that machine's rules, with NET_ADMIN and no other right.
MACHINES = ["node", "netpol"]
SERVICES = [name for name in NAMES if name not in {"base", *PROGRAMS}]
# Image → the lock that process mode makes the same environment from (what the image adds is known).
LOCKED = {
    "hub": ("hub/requirements-docker.txt", "hub"),
    "notebook": ("jupyter/requirements.txt", "notebook"),
    "s3-moto": ("images/s3/requirements-moto.txt", "s3-moto"),
    "s3-localstack": ("images/s3/requirements-localstack.txt", "s3-localstack"),
}


def lists(text: str) -> dict[str, str]:
    """Name → version of `pip freeze` lines or a lock."""
    pairs = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def freeze(python: Path) -> str:
    listing = "from importlib.metadata import distributions as d\n"
    listing += "print(*(f'{x.name}=={x.version}' for x in d()), sep='\\n')"
    command = [str(python), "-c", listing]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", [*SERVICES, *PROGRAMS])
def test_it_is_within_its_size(images: Images, name: str) -> None:
    stored = docker_images.find(images.reference(name))
    assert stored
    assert stored.size <= images.catalogue[name].limit_mb * 1e6


@pytest.mark.parametrize("name", NAMES)
def test_labels_say_whose_it_is_and_of_which_commit(images: Images, name: str) -> None:
    stored = docker_images.find(images.reference(name))
    assert stored
    assert stored.labels[docker_images.LABEL] == name
    # No commit: a scratch checkout of another test, which is no clone, was the first to need it.
    assert re.fullmatch(r"([0-9a-f]{40}(-dirty)?)?", stored.labels[docker_images.COMMIT])


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in MACHINES])
def test_it_runs_as_nobody_special(images: Images, run: Run, name: str) -> None:
    reference = images.reference(name)
    assert run("run", "--rm", "--entrypoint", "id", reference, "-u").stdout.strip() != "0"


def history_is_clean(run: Run, reference: str) -> None:
    history = run("history", "--no-trunc", "--format", "{{.CreatedBy}}", reference).stdout
    assert not re.search(r"BEGIN CERTIFICATE|://[^/\s]+:[^/\s]+@|(token|password)=", history)


@pytest.mark.parametrize("name", PROGRAMS)
def test_images_of_programs_hold_programs_alone(
    images: Images, run: Run, name: str, tmp_path: Path
) -> None:
    """No shell to look around with: every file is looked at from outside, none is a certificate."""
    reference = images.reference(name)
    history_is_clean(run, reference)
    made = run("create", reference, "none").stdout.strip()
    run("export", "-o", str(tmp_path / "files.tar"), made)
    given = {"dev", "etc", "proc", "sys", ".dockerenv"}  # what the engine adds to a container
    with tarfile.open(tmp_path / "files.tar") as files:
        own = [each for each in files if each.name.partition("/")[0] not in given]
        for each in own:
            content = files.extractfile(each)
            assert each.isdir() or (content and content.read(4) == b"\x7fELF"), each.name
    assert own


@pytest.mark.parametrize("name", ["base", *SERVICES])
def test_no_layer_and_no_line_of_its_history_has_a_secret(
    images: Images, run: Run, name: str
) -> None:
    """The machine's own certificates are the secret that every build here is given."""
    reference = images.reference(name)
    history_is_clean(run, reference)
    look = "ls -A /run/secrets 2>/dev/null; "
    for body in sorted(own_certificates())[:3]:
        line = body[64 * 6 : 64 * 7]
        look += f"grep -rlsF --include=*.pem --include=*.crt -e '{line}' /etc /opt /usr /srv; "
    left = run("run", "--rm", "-u0", "--entrypoint", "sh", reference, "-c", f"{look} true")
    assert left.stdout == ""


def own_certificates() -> set[str]:
    """The certificates that this machine trusts and Debian does not ship."""
    bundle = ca_bundle(os.environ)
    shipped = Path("/usr/share/ca-certificates").rglob("*.crt")
    known = {body for path in shipped for body in bodies(path.read_text(encoding="utf-8"))}
    return (bodies(bundle.read_text(encoding="utf-8")) if bundle else set()) - known


def bodies(text: str) -> set[str]:
    found = re.findall(r"BEGIN CERTIFICATE-----([^-]+)-----END", text)
    return {"".join(each.split()) for each in found}


def test_what_a_build_is_given_reaches_its_steps_and_no_layer(
    images: Images, run: Run, tmp_path: Path
) -> None:
    """In a clone of its own: a bundle and a mirror with words that are found nowhere else."""
    word = uuid.uuid4().hex
    root = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
    bundle = tmp_path / "ca.pem"
    bundle.write_text(f"# {word}\n")
    with (root / "images/github/Dockerfile").open("a", encoding="utf-8") as file:
        file.write(
            "USER root\nRUN --mount=type=secret,id=ca --mount=type=secret,id=mirrors"
            f" cat /run/secrets/ca /run/secrets/mirrors | grep -c . ; : {uuid.uuid4()}\n"
        )
    mirror = f"https://user:{word}@mirror.example/simple"
    environ = {**images.environ, "SSL_CERT_FILE": str(bundle), "PIP_INDEX_URL": mirror}
    clone = Images(Checkout(root), images.settings, environ)
    said: list[str] = []
    (task,) = [each for each in clone.tasks(["github"]) if each.name == "github"]
    try:
        task.perform(said.append, None)
        assert "7" in said, "five variables that name the bundle, a mirror, and the bundle"
        saved = tmp_path / "image.tar"
        run("save", "-o", str(saved), task.reference)
        assert word.encode() not in saved.read_bytes()
        assert word not in run("history", "--no-trunc", task.reference).stdout
        stored = docker_images.find(task.reference)
        assert stored
        assert re.fullmatch(r"[0-9a-f]{40}-dirty", stored.labels[docker_images.COMMIT])
        assert [each.tags for each in push_prune.prune(clone)] == []
        assert (task.reference,) in [each.tags for each in push_prune.prune(clone, every=True)]
    finally:
        run("image", "rm", "-f", task.reference, check=False)


@pytest.mark.parametrize("name", LOCKED)
def test_versions_are_those_of_process_mode(images: Images, run: Run, name: str) -> None:
    """`pip freeze` of both; where a package is in one alone, the lock's marker says why."""
    lock, environment = LOCKED[name]
    text = (ROOT / lock).read_text(encoding="utf-8")
    listing = "from importlib.metadata import distributions as d\n"
    listing += "print(*(f'{x.name}=={x.version}' for x in d()), sep='\\n')"
    command = ("run", "--rm", "--entrypoint", "/opt/habari/bin/python", images.reference(name))
    inside = lists(run(*command, "-c", listing).stdout)
    inside.pop("pip", None)
    locked = {pair for line in text.splitlines() for pair in lists(line).items()}
    assert set(inside.items()) <= locked
    made = Checkout(ROOT).environments.glob(f"{environment}-*/bin/python")
    python = max(made, key=lambda each: each.lstat().st_mtime, default=None)
    if python is None:
        pytest.skip(f"process mode has not made its environment {environment} here")
    beside = lists(freeze(python))
    # Python may be another one there, and the lock says what that changes.
    conditional = lists("\n".join(re.findall(r"^\S+==\S+ ; .*$", text, re.MULTILINE)))
    # The hub's image serves Compose and kind: what its lock adds to that of process mode.
    plain = lists((ROOT / "hub" / "requirements.txt").read_text(encoding="utf-8"))
    extra = lists(text).keys() - plain.keys() if name == "hub" else set()
    spared = conditional.keys() | extra
    assert {each for each, _ in inside.items() ^ beside.items()} <= spared


@pytest.mark.parametrize("name", ["hub", "notebook"])
def test_the_package_that_slows_every_start_is_not_there(
    images: Images, run: Run, name: str
) -> None:
    look = "import importlib.util as u; print(u.find_spec('rfc3987_syntax'))"
    command = ("run", "--rm", "--entrypoint", "/opt/habari/bin/python", images.reference(name))
    assert run(*command, "-c", look).stdout.strip() == "None"


@pytest.mark.usefixtures("images")
def test_unchanged_images_are_not_built_again_and_that_takes_no_time() -> None:
    command = [sys.executable, "-m", "habari_local", "image", "build", "--json"]
    command += ["--set", "HABARI_IMAGES=packages"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    seconds = time.monotonic() - began
    outcomes = {each["outcome"] for each in json.loads(done.stdout)["images"].values()}
    assert outcomes == {"already there"}
    assert seconds < 10, "2 s on a machine that does nothing else; the bench measures it"


@pytest.mark.timeout(110)
def test_the_contract_holds_for_our_own_notebook_image(images: Images) -> None:
    command = [sys.executable, "-m", "habari_local", "image", "check", "--json"]
    command += [images.reference("notebook")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    report = json.loads(done.stdout)
    bad = [each for each in report["checks"] if not each["good"]]
    assert done.returncode == 0, bad
    assert {each["name"] for each in report["checks"]} >= {"JupyterHub", "S3 settings", "start"}


def test_the_contract_says_all_that_an_image_lacks(images: Images) -> None:
    """The base has Python and nothing of Jupyter: every row is there, and all but one say no."""
    command = [sys.executable, "-m", "habari_local", "image", "check", "--json"]
    command += [images.reference("base"), "--max-size", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    good = {each["name"]: each["good"] for each in json.loads(done.stdout)["checks"]}
    assert len(good) == 15
    assert [name for name, value in good.items() if value] == ["health check"]
