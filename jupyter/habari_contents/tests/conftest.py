"""What the tests run against: a real S3 behind a fault proxy, and real Jupyter servers."""

from __future__ import annotations

import os
import time
import uuid

import boto3
import pytest
from habari_contents import HabariContentsManager

from .faults import FaultProxy
from .habits import HABITS
from .servers import KEYS, Jupyter, until
from .stores import Store
from .upstream_run import Run


@pytest.fixture(scope="session", autouse=True)
def upstream(request, tmp_path_factory):
    """jupyter_server's own tests, begun before ours if any of those that look at them are run."""
    if not any(item.fspath.basename == "test_upstream.py" for item in request.session.items):
        yield None
        return
    store = Store(tmp_path_factory.mktemp("upstream-s3"), low=True)
    run = Run(tmp_path_factory.mktemp("upstream"), store)
    yield run
    run.stop()


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory):
    """The port of S3 itself, without the proxy."""
    store = Store(tmp_path_factory.mktemp("s3")).ready()
    yield store.port
    store.stop()


@pytest.fixture(scope="session")
def s3(s3_port):
    """A client straight to S3, past the proxy: what is really there."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{s3_port}",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    for bucket in ("habari-lake", "habari-notebooks"):
        client.create_bucket(Bucket=bucket)
    yield client
    client.close()


@pytest.fixture(scope="session")
def session_proxy(s3_port):
    proxy = FaultProxy(s3_port)
    named = os.environ.get("TESTS_HABIT")
    proxy.habit = HABITS[named]() if named else None
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory, s3, session_proxy):
    """Two users' servers, both through the proxy."""
    both = [Jupyter(tmp_path_factory.mktemp(name), session_proxy.port) for name in ("ada", "grace")]
    yield [server.ready() for server in both]
    for server in both:
        server.stop()


@pytest.fixture
def jupyter(servers):
    return servers[0]


@pytest.fixture
def other(servers):
    return servers[1]


@pytest.fixture
def proxy(session_proxy, jupyter):
    """The proxy, healthy again afterwards, the rest of both breakers included."""
    session_proxy.heal()
    yield session_proxy
    session_proxy.heal()

    def rested(folder):
        # What reads has a breaker of its own; a change of nothing is answered with 404.
        reads = jupyter.get(folder, type="directory").ok
        return reads and jupyter.call("DELETE", f"{folder}/no-such-thing").status_code == 404

    for folder in ("lake", "notebooks"):
        until(lambda at=folder: rested(at) or time.sleep(0.05), jupyter.process)
    session_proxy.heal()


@pytest.fixture
def habit(proxy):
    """Gives the store a habit for one test."""
    before = proxy.habit

    def give(name: str) -> None:
        proxy.habit = HABITS[name]()

    yield give
    proxy.habit = before


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def keys(s3):
    """All keys of a bucket that begin with a prefix."""

    def listed(bucket: str, prefix: str = "") -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", ())]

    return listed


@pytest.fixture
def body(s3):
    """An object's bytes."""

    def read(bucket: str, key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    return read


@pytest.fixture
def manager(monkeypatch, tmp_path, s3_port, s3):
    """The contents manager by itself, on S3 without the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    return HabariContentsManager(
        root_dir=str(tmp_path),
        folders={"lake": {"bucket": "habari-lake"}},
        journal_dir=str(tmp_path / "moves"),
    )
