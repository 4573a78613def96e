"""Uploads in chunks: whole and exact, or refused and the old file as it was."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("folder", ["lake", "up"])
def test_upload_in_chunks_is_exact(jupyter, name, body, folder):
    """jupyter-fs kept the last chunk only and said 200."""
    content = bytes(i * 7 % 251 for i in range(3_000_000))
    jupyter.put("up", {"type": "directory"})
    assert jupyter.upload(f"{folder}/{name}.bin", content, 1024 * 1024).status_code == 200
    if folder == "lake":
        assert body("habari-lake", f"{name}.bin") == content
    else:
        assert (jupyter.home / "up" / f"{name}.bin").read_bytes() == content


def test_large_upload_goes_in_parts(jupyter, name, body, s3):
    content = b"0123456789abcdef" * (20 * 1024 * 1024 // 16)
    assert jupyter.upload(f"lake/{name}.bin", content, 8 * 1024 * 1024).status_code == 200
    assert s3.head_object(Bucket="habari-lake", Key=f"{name}.bin")["ETag"].endswith('-2"')
    assert body("habari-lake", f"{name}.bin") == content


def test_interrupted_upload_is_refused_and_leaves_the_old_file(jupyter, name, body):
    jupyter.text(f"lake/{name}.bin", "old")
    part = {"type": "file", "format": "text", "content": "new", "chunk": 1}
    assert jupyter.put(f"lake/{name}.bin", part).ok
    assert body("habari-lake", f"{name}.bin") == b"old"
    assert jupyter.put(f"lake/{name}.bin", part | {"chunk": 3}).status_code == 409
    assert jupyter.put(f"lake/{name}.bin", part | {"chunk": -1}).status_code == 409
    assert body("habari-lake", f"{name}.bin") == b"old"


def chunk(number: int, content: str) -> dict:
    return {"type": "file", "format": "text", "content": content, "chunk": number}


def test_chunk_that_comes_twice_counts_once(jupyter, name, body):
    """Its answer was lost, and a client that resumes sends it again."""
    sent = [chunk(1, "a"), chunk(2, "b"), chunk(2, "b"), chunk(3, "b"), chunk(-1, "b")]
    assert all(jupyter.put(f"lake/{name}.bin", part).ok for part in sent)
    assert body("habari-lake", f"{name}.bin") == b"abbb"


def test_last_chunk_is_sent_again_when_s3_is_back(jupyter, proxy, name, body):
    assert jupyter.put(f"lake/{name}.bin", chunk(1, "a")).ok
    proxy.fail("slow-down")
    assert jupyter.put(f"lake/{name}.bin", chunk(-1, "z")).status_code == 503
    proxy.heal()
    assert jupyter.put(f"lake/{name}.bin", chunk(-1, "z")).ok
    assert body("habari-lake", f"{name}.bin") == b"az"
    assert jupyter.put(f"lake/{name}.bin", chunk(-1, "z")).status_code == 409


def test_uploads_of_two_windows_are_not_mixed(jupyter, name, body):
    """Their chunks look alike: the second window's first would have got the first one's rest."""
    assert jupyter.put(f"lake/{name}.bin", chunk(1, "a1")).ok
    refused = jupyter.put(f"lake/{name}.bin", chunk(1, "b1"))
    assert refused.status_code == 409
    assert "another upload" in refused.json()["message"]
    assert jupyter.put(f"lake/{name}.bin", chunk(-1, "a2")).ok
    assert body("habari-lake", f"{name}.bin") == b"a1a2"
    assert jupyter.put(f"lake/{name}.bin", chunk(1, "b1")).ok
    assert jupyter.put(f"lake/{name}.bin", chunk(-1, "b2")).ok
    assert body("habari-lake", f"{name}.bin") == b"b1b2"
