"""S3 in its container: it takes no more memory the more it is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from habari_local.core import polling
from habari_local.drivers.docker import client as docker_client
from habari_local.images.build import Images
from habari_local.s3.s3_client import S3Target, s3_client
from tests.images.conftest import Run

REQUESTS = 200
KEY = ("AKIAROOTROOTROOTROOT", "of-a-container-that-lives-for-seconds")


@pytest.mark.parametrize("backend", ["moto", "localstack"])
def test_requests_leave_nothing_in_memory(images: Images, run: Run, backend: str) -> None:
    """LocalStack kept 0.9 MB of each, and stood still for seconds to look for garbage in it."""
    names = ("HABARI_S3_ROOT_ACCESS_KEY_ID", "HABARI_S3_ROOT_SECRET_ACCESS_KEY")
    given = [f"--env={name}={value}" for name, value in zip(names, KEY, strict=True)]
    reference = images.reference(f"s3-{backend}")
    box = run("run", "--detach", "--publish=127.0.0.1::4566", *given, reference).stdout.strip()
    url = f"http://{run('port', box, '4566').stdout.split()[0]}"
    polling.wait_until(lambda: polling.http_ok(f"{url}/_habari/health"), "S3", seconds=60)
    client = s3_client(S3Target(url, "us-east-1", *KEY, backend))
    client.create_bucket(Bucket="lake")
    ask(client, 50)  # what is loaded with the first of a kind is no leak
    before = docker_client.memory(box)
    ask(client, REQUESTS)
    after = docker_client.memory(box)
    assert before
    assert after
    assert (after - before) / 1e6 < REQUESTS * 0.1, json.dumps({"before": before, "after": after})


def ask(client: Any, times: int) -> None:
    for number in range(times // 4):
        client.put_object(Bucket="lake", Key=f"{number % 3}.ipynb", Body=b"{}" * 1000)
        client.get_object(Bucket="lake", Key=f"{number % 3}.ipynb")["Body"].read()
        client.head_object(Bucket="lake", Key=f"{number % 3}.ipynb")
        client.list_objects_v2(Bucket="lake", Delimiter="/")
