"""Downloads by /files/, of the home and of S3 folders."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import requests


def download(server, path: str, method: str = "GET", **headers: str) -> requests.Response:
    return server.http.request(
        method, f"{server.url}/files/{quote(path)}", headers=headers, timeout=20
    )


@pytest.mark.parametrize("place", ["", "lake/"])
def test_download_is_exact(jupyter, name, place):
    """The old platform dropped the connection, for files of the home as well."""
    content = "ä,🦒\n" * 100_000
    jupyter.text(f"{place}{name} 1%.csv", content)
    answer = download(jupyter, f"{place}{name} 1%.csv")
    assert answer.status_code == 200
    assert answer.content == content.encode()
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "sandbox allow-scripts" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("place", ["", "lake/"])
def test_ranges_and_head(jupyter, name, place):
    jupyter.text(f"{place}{name}.txt", "0123456789")
    part = download(jupyter, f"{place}{name}.txt", Range="bytes=2-4")
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["Content-Range"] == "bytes 2-4/10"
    head = download(jupyter, f"{place}{name}.txt", "HEAD")
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")
    assert download(jupyter, f"{place}{name}.txt", Range="bytes=99-").status_code == 416


def test_unchanged_is_not_sent_again(jupyter, name):
    jupyter.text(f"lake/{name}.txt", "x")
    etag = download(jupyter, f"lake/{name}.txt").headers["ETag"]
    assert download(jupyter, f"lake/{name}.txt", **{"If-None-Match": etag}).status_code == 304


def test_notebooks_come_as_attachments(jupyter, name):
    jupyter.notebook(f"notebooks/{name}.ipynb")
    answer = download(jupyter, f"notebooks/{name}.ipynb")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.json()["nbformat"] == 4


@pytest.mark.parametrize(
    "path", ["lake", "lake/none.txt", "lake/.hidden", "lake/a/../b", "none.txt"]
)
def test_what_is_not_there_is_404(jupyter, s3, path):
    s3.put_object(Bucket="habari-lake", Key=".hidden", Body=b"secret")
    assert download(jupyter, path).status_code in {400, 404}


def test_no_token_no_file(jupyter, name):
    jupyter.text(f"lake/{name}.txt", "x")
    answer = requests.get(f"{jupyter.url}/files/lake/{name}.txt", allow_redirects=False, timeout=5)
    assert answer.status_code in {302, 403}


def test_connection_lost_in_the_middle_is_seen_by_the_browser(jupyter, proxy, name):
    jupyter.text(f"lake/{name}.txt", "x" * 1_000_000)
    proxy.fail("cut-body", only="GET")
    with pytest.raises(requests.RequestException):
        download(jupyter, f"lake/{name}.txt").raise_for_status()
