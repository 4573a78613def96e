"""Data in the lake is the same from outside, in JupyterLab and in a kernel."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from .collector import Collector
from .endpoints import Endpoints
from .kernels import Kernel
from .s3_client import Bucket
from .server_client import Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CSV = b"town,rain\nArusha,310\nMoshi,280\nTanga,525\n"


@pytest.fixture(scope="module")
def rain(lake: Bucket, run_id: str) -> str:
    """The key of a table that somebody else wrote into the lake."""
    key = f"{run_id}/from outside/rain.csv"
    lake.put(key, CSV)
    return key


@pytest.fixture(scope="module")
def kernel(servers: list[Server], run_id: str, collector: Collector) -> Iterator[Kernel]:
    """A kernel of an allowed user."""
    with Kernel(servers[0], f"{run_id}-lake.ipynb") as running:
        version = running.text_of("import habari_contents as c; print(c.__version__)")
        collector.run.versions["Contents manager"] = version.strip()
        yield running


def test_object_from_outside_appears(server: Server, rain: str) -> None:
    """An object written from outside appears in lake/ with its bytes."""
    folder, _, name = f"lake/{rain}".rpartition("/")
    assert server.names(folder) == [name]
    assert server.read(f"lake/{rain}", format="text")["content"].encode() == CSV
    assert server.download(f"lake/{rain}") == CSV


def test_file_from_lab_appears_outside(server: Server, lake: Bucket, run_id: str) -> None:
    """A file saved into lake/ is an object of the lake."""
    server.make_folder(f"lake/{run_id}")
    server.save_text(f"lake/{run_id}/note.txt", "from JupyterLab: ü 😀\n")
    assert lake.get(f"{run_id}/note.txt").decode() == "from JupyterLab: ü 😀\n"


def test_boto3_reads_in_a_kernel(kernel: Kernel, rain: str) -> None:
    """boto3 in a kernel reads the lake with the credentials that the server has."""
    printed = kernel.text_of(
        "import boto3, os\n"
        "lake = os.environ['HABARI_LAKE_BUCKET']\n"
        f"got = boto3.client('s3').get_object(Bucket=lake, Key={rain!r})\n"
        "print(got['Body'].read().hex())"
    )
    assert bytes.fromhex(printed) == CSV


def test_pandas_reads_in_a_kernel(kernel: Kernel, rain: str) -> None:
    """pandas in a kernel reads a table of the lake by its s3:// address."""
    printed = kernel.text_of(
        "import os, pandas\n"
        f"table = pandas.read_csv('s3://' + os.environ['HABARI_LAKE_BUCKET'] + '/' + {rain!r})\n"
        "print(table['rain'].sum(), list(table.columns))"
    )
    assert printed == "1115 ['town', 'rain']\n"


def test_kernel_writes_into_the_lake(kernel: Kernel, lake: Bucket, run_id: str) -> None:
    """What a kernel writes into the lake is there for everybody."""
    key = f"{run_id}/from a kernel.bin"
    kernel.text_of(
        "import boto3, os\n"
        "s3, lake = boto3.client('s3'), os.environ['HABARI_LAKE_BUCKET']\n"
        f"s3.put_object(Bucket=lake, Key={key!r}, Body=bytes(range(256)))"
    )
    assert lake.get(key) == bytes(range(256))


def test_kernel_has_the_users_key(kernel: Kernel, endpoints: Endpoints) -> None:
    """Servers have the user's key, which is not the root key of S3."""
    printed = kernel.text_of("import os; print(os.environ['AWS_ACCESS_KEY_ID'])")
    assert printed.strip() == endpoints.s3.access_key_id.get_secret_value()
    leaked = kernel.text_of("import os; print([n for n in os.environ if 'ROOT' in n])")
    assert leaked == "[]\n"


def test_third_bucket_is_denied(s3: "S3Client", run_id: str) -> None:
    """The servers' key opens the two buckets and nothing else: it can't make a third one."""
    name = f"{run_id}-third"
    with pytest.raises(ClientError) as refused:
        s3.create_bucket(Bucket=name)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_third_bucket_is_denied_in_a_kernel(kernel: Kernel, run_id: str) -> None:
    """Nor can a kernel."""
    printed = kernel.text_of(
        "import boto3, botocore\n"
        "try:\n"
        f"    boto3.client('s3').create_bucket(Bucket='{run_id}-third')\n"
        "except botocore.exceptions.ClientError as error:\n"
        "    print(error.response['Error']['Code'])"
    )
    assert printed == "AccessDenied\n"
