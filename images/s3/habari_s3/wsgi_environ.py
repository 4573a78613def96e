"""The WSGI environment of a canonical request, made from nothing but that request."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from habari_s3.request_parser import BackendRequest

HOST = "127.0.0.1"  # names no bucket, region or access point


def wsgi_environ(request: BackendRequest, credential: str) -> dict[str, Any]:
    """Return the environment; the signature, which was checked already, is one of zeros."""
    uri = request.path + (f"?{request.query}" if request.query else "")
    signed = f"Credential={credential}, SignedHeaders=host, Signature={'0' * 64}"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path).encode().decode("latin-1"),
        "QUERY_STRING": request.query,
        "REQUEST_URI": uri,
        "RAW_URI": uri,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    environ.update(HTTP_HOST=HOST, HTTP_AUTHORIZATION=f"AWS4-HMAC-SHA256 {signed}")
    return environ
