"""The contenders: real Jupyter servers on one S3, each configured as its own docs say."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from tests.servers import KEYS, Jupyter

from .environments import variable

BUCKETS = {"lake": "habari-lake", "notebooks": "habari-notebooks"}

S3CONTENTS = """
from hybridcontents import HybridContentsManager
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from s3contents import S3ContentsManager
c.ServerApp.contents_manager_class = HybridContentsManager
c.HybridContentsManager.manager_classes = {{
    "": LargeFileManager, "lake": S3ContentsManager, "notebooks": S3ContentsManager,
}}
shared = {{
    "endpoint_url": "http://127.0.0.1:{port}", "access_key_id": "{key}",
    "secret_access_key": "{secret}", "region_name": "us-east-1",
}}
c.HybridContentsManager.manager_kwargs = {{
    "": {{"root_dir": "{home}"}},
    "lake": {{"bucket": "habari-lake", **shared}},
    "notebooks": {{"bucket": "habari-notebooks", **shared}},
}}
c.ServerApp.files_handler_params = {{"path": "{home}"}}
"""
JUPYTER_FS = """
c.ServerApp.contents_manager_class = "jupyterfs.metamanager.MetaManager"
c.ServerApp.jpserver_extensions = {{"jupyterfs.extension": True}}
c.JupyterFs.resources = [
    {{"name": name, "url": "s3://" + name, "type": "fsspec", "auth": "none",
      "kwargs": {{"key": "{key}", "secret": "{secret}",
                  "client_kwargs": {{"endpoint_url": "http://127.0.0.1:{port}"}}}}}}
    for name in ("habari-lake", "habari-notebooks")
]
"""
OURS = """
c.ServerApp.contents_manager_class = "habari_contents.HabariContentsManager"
"""
CONFIGURED = {"ours": OURS, "s3contents": S3CONTENTS, "jupyter-fs": JUPYTER_FS, "disk": ""}


class Contender(Jupyter):
    """One of the four; `plain` leaves out its contents manager: what its start is held against."""

    def __init__(self, name: str, root: Path, s3_port: int, *, plain: bool = False) -> None:
        self.name = name
        self.python = os.environ.get(variable(name), sys.executable)
        key, secret = KEYS.values()
        facts = {"port": s3_port, "key": key, "secret": secret, "home": root / "home"}
        config = root / "jupyter_config_dir"
        config.mkdir(parents=True, exist_ok=True)
        text = "" if plain else CONFIGURED[name].format(**facts)
        (config / "jupyter_server_config.py").write_text(text, encoding="utf-8")
        folders = {area: {"bucket": bucket} for area, bucket in BUCKETS.items()}
        super().__init__(root, s3_port, HABARI_CONTENTS_FOLDERS=json.dumps(folders))
        for folder in BUCKETS:
            if name == "disk":
                (self.home / folder).mkdir(exist_ok=True)

    def command(self) -> list[str]:
        """How the server is started."""
        return [
            *(self.python, "-m", "jupyter_server", "--no-browser", f"--port={self.port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.home}"),
        ]

    def at(self, area: str, path: str = "") -> str:
        """The API path of something in a bucket, or in the home."""
        if area == "home":
            return path
        if self.name == "jupyter-fs":
            url = f"s3://{BUCKETS[area]}fsspec"
            return f"{hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()[:8]}:{path}"
        return f"{area}/{path}".rstrip("/")
