"""The command line: `python -m habari_s3 --backend moto --data DIR --port N`.

HABARI_S3_ROOT_ACCESS_KEY_ID and HABARI_S3_ROOT_SECRET_ACCESS_KEY are the key that may do all.
GET /_habari/health answers once all data is there. SIGTERM ends it; so may `kill -9`.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from habari_s3.app import RootKey, S3App
from habari_s3.backend import Backend
from habari_s3.journal import Journal, StartupError
from habari_s3.server import make_server

LAST_WRITE_SECONDS = 0.8  # what a write under way may take of the second that SIGTERM grants

MMAP_THRESHOLD = -3  # glibc's M_MMAP_THRESHOLD


def main() -> NoReturn:
    """Serve until told to stop; exit with 0 then, with 1 when it can't start."""
    options = _options()
    os.umask(0o077)
    _return_freed_memory()
    began = time.perf_counter()
    try:
        journal = Journal(options.data, options.backend)
        app = S3App(_backend(options.backend, journal), journal, _root_key())
        count = app.restore()
        server = make_server(options.host, options.port, app)
        server.prepare()
    except StartupError as error:
        _fail(str(error), error.hint)
    except OSError as error:
        address = f"{options.host}:{options.port}"
        _fail(f"S3 service: {error}, {address} and {options.data} expected to be free.", "df -h .")
    passed = time.perf_counter() - began
    for entity, reason in journal.damaged.items():
        sys.stderr.write(f"damaged: {entity.kind} {entity.bucket}/{entity.name}: {reason}\n")
    print(f"{options.backend}: {count} entities restored, answers after {passed:.2f} s", flush=True)  # noqa: T201
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _exit)
    try:
        server.serve()
    finally:
        # Whatever was acknowledged is on the disk: let the write under way end, and go.
        if app.lock.acquire(timeout=LAST_WRITE_SECONDS):
            journal.close()
        sys.stdout.flush()
        os._exit(0)


def _return_freed_memory() -> None:
    """Have glibc return what a large body took when it is freed, or it keeps tens of megabytes."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such thing
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, 256 * 1024)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="habari_s3", description="S3 that keeps what it acknowledged."
    )
    parser.add_argument("--backend", choices=("moto", "localstack"), default="moto")
    parser.add_argument("--data", type=Path, required=True, help="folder of everything it keeps")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4566)
    return parser.parse_args()


def _backend(name: str, journal: Journal) -> Backend:
    if name == "localstack":
        from habari_s3.localstack_backend import LocalStackBackend

        return LocalStackBackend(journal.blobs)
    from habari_s3.moto_backend import MotoBackend

    return MotoBackend(journal.blobs)


def _root_key() -> RootKey:
    names = ("HABARI_S3_ROOT_ACCESS_KEY_ID", "HABARI_S3_ROOT_SECRET_ACCESS_KEY")
    values = [os.environ.pop(name, "") for name in names]
    if not all(values):
        raise StartupError(
            f"{' and '.join(names)}: not set, a key was expected.", "habari-local up"
        )
    return RootKey(*values)


def _exit(*_: object) -> NoReturn:
    raise SystemExit


def _fail(message: str, hint: str) -> NoReturn:
    sys.stderr.write(f"{message}\nTry: {hint}\n")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
