"""Registries of the catalogue's own image for tests: open ones, and one with TLS and a password."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from habari_local.images.build import Images
from tests.images.conftest import Run
from tests.unit.test_s3 import free_port

USER, PASSWORD = "team", "open-sesame"
HASH = "$2b$05$b3StqVMraAGpNr4e2JfnpuTiCzdqrwrE9AEmlOEcfhD9j6XImNLQu"  # bcrypt of the password
# What gcloud's helper does: it says who one is, and no file of Docker's does.
HELPER = """\
#!/bin/sh
cat >/dev/null
printf '{"Username": "%s", "Secret": "%s"}' "$TEST_USER" "$TEST_PASSWORD"
"""


@dataclass
class Registry:
    """A registry that runs; `environ` is what lets a call of ours in."""

    address: str
    container: str
    environ: dict[str, str] = field(default_factory=dict)


def start(images: Images, run: Run, *options: str, scheme: str = "http") -> Registry:
    """Start a registry on a port that it keeps when it is started again."""
    port = free_port()
    publish = f"--publish=127.0.0.1:{port}:5000"
    made = run("run", "-d", publish, *options, images.reference("registry")).stdout.strip()
    found = Registry(f"127.0.0.1:{port}", made)
    wait(found, run, scheme)
    return found


def wait(registry: Registry, run: Run, scheme: str = "http") -> None:
    """Return when it answers, be it that one may not come in."""
    deadline = time.monotonic() + 30
    while not answers(f"{scheme}://{registry.address}/v2/"):
        assert time.monotonic() < deadline, run("logs", "-n5", registry.container).stderr
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=ssl._create_unverified_context()):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (OSError, urllib.error.URLError):
        return False


def guarded(images: Images, run: Run, folder: Path) -> Registry:
    """Start one with TLS and a password, which a credential helper of Docker knows."""
    folder.chmod(0o755)
    make = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    make += ["ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.crt"]
    subprocess.run([*make, *files], cwd=folder, check=True, capture_output=True)
    (folder / "tls.key").chmod(0o644)
    (folder / "users").write_text(f"{USER}:{HASH}\n")
    settings = {
        "HTTP_TLS_CERTIFICATE": "/given/tls.crt",
        "HTTP_TLS_KEY": "/given/tls.key",
        "AUTH": "htpasswd",
        "AUTH_HTPASSWD_REALM": "test",
        "AUTH_HTPASSWD_PATH": "/given/users",
    }
    options = [f"--env=REGISTRY_{name}={value}" for name, value in settings.items()]
    found = start(images, run, f"--volume={folder}:/given:ro", *options, scheme="https")
    (folder / "docker").mkdir()
    helper = folder / "docker-credential-test"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    known = {"credHelpers": {found.address: "test"}}
    (folder / "docker" / "config.json").write_text(json.dumps(known))
    found.environ = {
        "DOCKER_CONFIG": str(folder / "docker"),
        "PATH": f"{folder}:{os.environ['PATH']}",
        "TEST_USER": USER,
        "TEST_PASSWORD": PASSWORD,
    }
    return found
