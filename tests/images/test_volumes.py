"""A volume outlives the image that filled it: upstream's and ours open what the other one made."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from habari_local.config.settings import Settings
from habari_local.core import polling
from habari_local.core.errors import HabariError
from habari_local.core.paths import Checkout
from habari_local.drivers.docker import archive as docker_archive
from habari_local.drivers.docker import client as docker_client
from habari_local.drivers.docker.volumes import Owner, keep_cache
from habari_local.images.build import Images
from habari_local.modes.hub.database import COLLATION
from habari_local.s3.s3_client import S3Target, s3_client
from tests.images.conftest import ROOT, Run
from tests.images.test_postgres import sql, wait_until_it_answers

LIKE = Path(__file__).parent / "upstream_like"
DATABASE = "/var/lib/postgresql/data"
OWNER = Owner(1000, 100)
LIMITS = ["--cap-drop=ALL", "--security-opt=no-new-privileges"]
KEY = ("AKIAROOTROOTROOTROOT", "of-a-container-that-lives-for-seconds")
Make = Callable[[str, str], str]


@pytest.fixture(scope="module")
def images() -> Images:
    """Those that have volumes, and no others: this runs without the images of a cluster too."""
    if not docker_client.reachable():
        pytest.skip("no Docker engine answers here")
    made = Images(Checkout(ROOT), Settings(images="packages"), dict(os.environ))
    for task in made.tasks(["postgres", "registry", "notebook", "s3-moto"]):
        task.perform(lambda _: None, None)
    return made


@pytest.fixture
def like(images: Images, run: Run) -> Make:
    """Build the look-alike of an upstream image on one of ours; return its id."""

    def make(name: str, base: str) -> str:
        given = f"BASE={images.reference(base)}"
        return run("build", "-q", "--build-arg", given, str(LIKE / name)).stdout.strip()

    return make


@pytest.fixture
def volume(run: Run) -> str:
    name = f"habari-test-{uuid.uuid4().hex[:8]}"
    run("volume", "create", name)
    return name


def in_order(upstream: str, packages: str, back: bool) -> tuple[str, str]:
    return (packages, upstream) if back else (upstream, packages)


def database(run: Run, volume: str, image: str) -> str:
    """Start a database on the volume as compose/hub.yml does."""
    settings = ("POSTGRES_USER=hub", 'POSTGRES_PASSWORD=it\'s "secret"', "POSTGRES_DB=hub")
    options = [*(f"--env={each}" for each in settings), *LIMITS, "--user=999:999", "--read-only"]
    options += ["--tmpfs=/tmp", "--tmpfs=/run/postgresql:uid=999,gid=999,mode=0755"]
    box = run("run", "-d", *options, f"--volume={volume}:{DATABASE}", image).stdout.strip()
    wait_until_it_answers(run, box)
    return box


@pytest.mark.timeout(300)
@pytest.mark.parametrize("back", [False, True], ids=["to packages", "to upstream"])
def test_a_database_changes_hands(
    images: Images, run: Run, like: Make, volume: str, back: bool
) -> None:
    """Upstream's is in the locale en_US.utf8, which has to be in our image too."""
    first, second = in_order(like("postgres", "postgres"), images.reference("postgres"), back)
    made = database(run, volume, first)
    assert sql(run, made, "CREATE TABLE kept AS SELECT 'ä' AS text") == "SELECT 1"
    run("stop", made)
    taken = database(run, volume, second)
    assert sql(run, taken, "SELECT text FROM kept") == "ä"
    assert sql(run, taken, "INSERT INTO kept VALUES ('z')") == "INSERT 0 1"


def test_indexes_that_another_c_library_sorted_are_built_again(
    run: Run, like: Make, volume: str
) -> None:
    box = database(run, volume, like("postgres", "postgres"))
    for order in ("CREATE TABLE t AS SELECT 'ada' AS name", "CREATE INDEX sorted ON t (name)"):
        sql(run, box, order)
    sql(run, box, "UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'hub'")
    psql = ("psql", "-X", "-q", "--set=ON_ERROR_STOP=1", "-U", "hub", "-d", "hub")
    files = []
    for _ in range(3):
        ask = "SELECT relfilenode FROM pg_class WHERE relname = 'sorted'"
        files.append(sql(run, box, ask))
        docker_archive.feed(box, psql, iter([COLLATION.encode()]))
    version = sql(run, box, "SELECT datcollversion FROM pg_database WHERE datname = 'hub'")
    assert version not in ("", "1.0")
    assert files[0] != files[1], "built again"
    assert files[1] == files[2], "once"


def registry(run: Run, volume: str, image: str, user: str = "--user=1000:100") -> str:
    """Start a registry on the volume, as compose/kind.yml does; return its address."""
    mount = f"--volume={volume}:/var/lib/registry:nocopy"
    given = [*LIMITS, mount, "--publish=127.0.0.1::5000", user]
    box = run("run", "-d", *given, image).stdout.strip()
    url = f"http://{run('port', box, '5000').stdout.split()[0]}"
    polling.wait_until(lambda: polling.http_ok(f"{url}/v2/"), "Registry", seconds=30)
    return url


def send(url: str, content: bytes) -> str:
    """Put a blob into a registry; return its address there."""
    begun = requests.post(f"{url}/v2/team/blobs/uploads/", timeout=10)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    target = f"{begun.headers['Location']}&digest={digest}"
    requests.put(target, data=content, timeout=10).raise_for_status()
    return f"/v2/team/blobs/{digest}"


def test_a_registrys_volume_of_root_serves_ours_and_upstreams(
    images: Images, run: Run, like: Make, volume: str
) -> None:
    """Upstream's image is root, ours is not; with all capabilities dropped neither writes both."""
    theirs, ours = like("registry", "registry"), images.reference("registry")
    blob = send(registry(run, volume, theirs, "--user=0:0"), b"made by root")
    told = keep_cache(volume, {}, ours, OWNER)
    assert f"files in {volume} now belong to UID 1000" in told
    for image in (ours, theirs, ours):
        assert keep_cache(volume, {}, image, OWNER) == ""
        url = registry(run, volume, image)
        assert requests.get(f"{url}{blob}", timeout=10).content == b"made by root"
        send(url, image.encode())


def test_a_new_volume_of_upstreams_registry_is_written_without_root(
    run: Run, like: Make, volume: str
) -> None:
    image = like("registry", "registry")
    assert keep_cache(volume, {}, image, OWNER) == "", "nothing was in it: nothing to tell"
    send(registry(run, volume, image), b"x")


def test_a_cache_that_cannot_be_given_away_is_recreated_and_told(images: Images, run: Run) -> None:
    volume = f"habari-test-{uuid.uuid4().hex[:8]}"
    options = ("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=ro")
    run("volume", "create", *options, volume)
    try:
        image = images.reference("registry")
        told = keep_cache(volume, {}, image, OWNER)
        assert told == f"recreated the cache {volume}, which UID 1000 could not use"
        send(registry(run, volume, image), b"x")
    finally:
        found = run("ps", "-aq", "--filter", f"volume={volume}").stdout.split()
        run("rm", "-f", *found)
        docker_client.remove_volumes([volume])


def test_a_cache_in_use_that_cannot_be_given_away_is_left_and_told(
    images: Images, run: Run
) -> None:
    volume = f"habari-test-{uuid.uuid4().hex[:8]}"
    options = ("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=ro")
    run("volume", "create", *options, volume)
    image = images.reference("registry")
    run("run", "-d", f"--volume={volume}:/v", "--entrypoint=sleep", image, "60")
    with pytest.raises(HabariError, match=f"Volume {volume}: .*in use") as refused:
        keep_cache(volume, {}, image, OWNER)
    assert refused.value.hint == f"docker ps --filter volume={volume}"


@pytest.mark.parametrize("back", [False, True], ids=["to packages", "to upstream"])
def test_a_home_changes_hands(
    images: Images, run: Run, like: Make, volume: str, back: bool
) -> None:
    """Under the image's own account, and under that of a person with another number."""
    first, second = in_order(like("home", "notebook"), images.reference("notebook"), back)
    for user in ("1000:100", "1999:100"):
        options = [*LIMITS, f"--user={user}", f"--volume={volume}-{user[:4]}:/home/jovyan"]
        write = "echo one >~/made && mkdir -p ~/work && echo two >~/work/deep"
        run("run", "--rm", *options, first, "sh", "-c", write)
        change = "cat ~/made ~/work/deep && echo three >>~/made && rm ~/work/deep && ls -A ~"
        seen = run("run", "--rm", *options, second, "sh", "-c", change).stdout.split()
        assert seen[:2] == ["one", "two"]
    docker_client.remove_volumes([f"{volume}-1000", f"{volume}-1999"])


def s3(run: Run, volume: str, image: str) -> tuple[str, Any]:
    """Start S3 on the volume as compose/base.yml does; return its container and a client."""
    names = ("HABARI_S3_ROOT_ACCESS_KEY_ID", "HABARI_S3_ROOT_SECRET_ACCESS_KEY")
    given = [f"--env={name}={value}" for name, value in zip(names, KEY, strict=True)]
    given += [*LIMITS, "--publish=127.0.0.1::4566", f"--volume={volume}:/data"]
    box = run("run", "-d", *given, image).stdout.strip()
    url = f"http://{run('port', box, '4566').stdout.split()[0]}"
    polling.wait_until(lambda: polling.http_ok(f"{url}/_habari/health"), "S3", seconds=60)
    return box, s3_client(S3Target(url, "us-east-1", *KEY, "moto"))


@pytest.mark.parametrize("back", [False, True], ids=["to packages", "to upstream"])
def test_the_buckets_change_hands(
    images: Images, run: Run, like: Make, volume: str, back: bool
) -> None:
    """The image's Python is another one with upstream: what is kept may not depend on its place."""
    first, second = in_order(like("python", "s3-moto"), images.reference("s3-moto"), back)
    box, client = s3(run, volume, first)
    client.create_bucket(Bucket="lake")
    client.put_object(Bucket="lake", Key="a", Body=b"kept")
    run("stop", box)
    _, client = s3(run, volume, second)
    assert client.get_object(Bucket="lake", Key="a")["Body"].read() == b"kept"
    client.put_object(Bucket="lake", Key="b", Body=b"more")
