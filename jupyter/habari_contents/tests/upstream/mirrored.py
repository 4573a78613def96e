"""Lets jupyter_server's own contents tests, made for a disk, see an S3 folder: a plugin for pytest.

The manager that they get has the S3 folder as its root. They write to the disk of the manager and
look at it: a folder there is made equal to the S3 folder before and after each call.
"""

from __future__ import annotations

import os
import tomllib
import uuid
from pathlib import Path

import boto3
import pytest
from habari_contents import HabariContentsManager
from jupyter_server.services.contents import filemanager, largefilemanager
from jupyter_server.services.contents.manager import AsyncContentsManager
from traitlets import Bool, Integer, Unicode, observe

BUCKET = os.environ["TESTS_BUCKET"]
FOLDER = "s3"
SYNCHRONOUS = (filemanager.FileContentsManager, largefilemanager.LargeFileManager)
DIFFERENCES = Path(__file__).with_name("differences.toml").read_text(encoding="utf-8")
REPEATED = {tuple(each) for each in tomllib.loads(DIFFERENCES)["repeated"]["folders"]}
READING = {"get", "is_hidden", "list_checkpoints", "increment_filename"}
made: list[Mirrored] = []
s3 = boto3.client("s3")


class Mirror:
    """A folder on the disk and the keys under a prefix, made equal in the one or the other way."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._root = root
        self._prefix = prefix
        self._keys: dict[str, str] = {}
        self._disk: dict[str, bytes] = {}

    def _seen(self) -> dict[str, bytes]:
        seen = {}
        for file in sorted(self._root.rglob("*")):
            relative = file.relative_to(self._root).as_posix()
            if file.is_dir():
                seen[f"{relative}/"] = b""
            elif file.is_file():
                seen[relative] = file.read_bytes()
        return seen

    def push(self) -> None:
        """What a test has done to the disk, in S3."""
        now = self._seen()
        for name in self._disk.keys() - now.keys():
            s3.delete_object(Bucket=BUCKET, Key=self._prefix + name)
        for name, body in now.items():
            if self._disk.get(name) != body:
                put = s3.put_object(Bucket=BUCKET, Key=self._prefix + name, Body=body)
                self._keys[name] = put["ETag"]
        self._disk = now

    def pull(self) -> None:
        """What the manager has done in S3, on the disk."""
        pages = s3.get_paginator("list_objects_v2")
        keys = {
            found["Key"].removeprefix(self._prefix): found["ETag"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=self._prefix)
            for found in page.get("Contents", ())
        }
        for name in sorted(self._keys.keys() - keys.keys(), reverse=True):
            place = self._root / name
            if place.is_dir():
                if not any(place.iterdir()):
                    place.rmdir()
            else:
                place.unlink(missing_ok=True)
        for name in sorted(keys.keys() - {n for n, e in self._keys.items() if keys.get(n) == e}):
            place = self._root / name
            if name.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            body = s3.get_object(Bucket=BUCKET, Key=self._prefix + name)["Body"].read()
            place.write_bytes(body)
        self._keys, self._disk = keys, self._seen()


class Mirrored(AsyncContentsManager):
    """The manager of this package, with one S3 folder as the root."""

    root_dir = Unicode(config=True)
    always_delete_dir = Bool(True, config=True)
    delete_to_trash = Bool(False, config=True)
    max_copy_folder_size_mb = Integer(500, config=True)
    hash_algorithm = "etag"

    def __init__(self, **kwargs) -> None:
        for disk_only in ("use_atomic_writing", "checkpoints_class"):
            kwargs.pop(disk_only, None)
        super().__init__(**kwargs)
        if not self.root_dir:
            self.root_dir = str(self.parent.root_dir)
        prefix = uuid.uuid4().hex
        self.inner = HabariContentsManager(
            parent=self.parent,
            log=self.log,
            root_dir=self.root_dir,
            folders={FOLDER: {"bucket": BUCKET, "prefix": prefix}},
            journal_dir=str(Path(self.root_dir).parent / f"{prefix}-moves"),
            always_delete_dir=self.always_delete_dir,
        )
        self.inner.notary = self.notary
        self.mirror = Mirror(Path(self.root_dir), f"{prefix}/")
        made.append(self)

    @observe("allow_hidden", "always_delete_dir", "notary")
    def _pass_on(self, change) -> None:
        if hasattr(self, "inner"):
            setattr(self.inner, change.name, change.new)

    def _get_os_path(self, path: str) -> str:
        return str(Path(self.root_dir, path.strip("/")))

    def check_and_sign(self, nb, path="") -> None:
        self.inner.check_and_sign(nb, api(path))

    def mark_trusted_cells(self, nb, path="") -> None:
        self.inner.mark_trusted_cells(nb, api(path))

    def validate_notebook_model(self, model, validation_error=None):
        return self.inner.validate_notebook_model(model, validation_error)


def api(path: str) -> str:
    """The path of the manager inside for one of a test."""
    return f"{FOLDER}/{path.strip('/')}".rstrip("/")


def own(path: str) -> str:
    """The path of a test for one of the manager inside."""
    return path.removeprefix(FOLDER).removeprefix("/")


def told(result):
    """What the manager inside returned, with the paths of a test."""
    if not isinstance(result, dict) or "path" not in result:
        return result
    model = result | {"path": own(result["path"])}
    model["name"] = model["path"].rpartition("/")[2]
    if model.get("type") == "directory" and model.get("content"):
        model["content"] = [told(entry) for entry in model["content"]]
    return model


def passing(name: str, paths: tuple[str, ...], models: tuple[str, ...] = ()):
    """A method that passes on to the one of the manager inside."""
    names = CALLS[name]

    async def method(self, *args, **kwargs):
        given = dict(zip(names, args, strict=False)) | kwargs
        if "path" in names:
            given.setdefault("path", "")
        for path in paths:
            if given.get(path) is not None:
                given[path] = api(given[path])
        for model in models:
            if given.get(model) and "path" in given[model]:
                given[model] = given[model] | {"path": api(given[model]["path"])}
        self.mirror.push()
        try:
            return told(await getattr(self.inner, name)(**given))
        finally:
            if name not in READING and not name.endswith("exists"):
                self.mirror.pull()

    method.__name__ = name
    return method


CALLS = {
    "get": ("path", "content", "type", "format", "require_hash"),
    "save": ("model", "path"),
    "update": ("model", "path"),
    "new": ("model", "path"),
    "new_untitled": ("path", "type", "ext"),
    "copy": ("from_path", "to_path"),
    "rename": ("old_path", "new_path"),
    "rename_file": ("old_path", "new_path"),
    "delete": ("path",),
    "delete_file": ("path",),
    "file_exists": ("path",),
    "dir_exists": ("path",),
    "exists": ("path",),
    "is_hidden": ("path",),
    "trust_notebook": ("path",),
    "create_checkpoint": ("path",),
    "list_checkpoints": ("path",),
    "restore_checkpoint": ("checkpoint_id", "path"),
    "delete_checkpoint": ("checkpoint_id", "path"),
    "increment_filename": ("filename", "path", "insert"),
}
for call, names in CALLS.items():
    kinds = tuple(n for n in names if n.endswith("path")), tuple(n for n in names if n == "model")
    setattr(Mirrored, call, passing(call, *kinds))

filemanager.AsyncFileContentsManager = Mirrored
largefilemanager.AsyncLargeFileManager = Mirrored


def pytest_collection_modifyitems(config, items) -> None:
    """Leave out what is run with the synchronous managers of the disk, and what only repeats."""

    def left_out(item) -> bool:
        values = getattr(getattr(item, "callspec", None), "params", {})
        if (values.get("path"), values.get("name")) in REPEATED:
            return True
        each = [
            v for value in values.values() for v in (value if type(value) is tuple else [value])
        ]
        return any(v in SYNCHRONOUS or v == "FileContentsManager" for v in each)

    out = [item for item in items if left_out(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


@pytest.fixture(autouse=True)
def closed_at_the_end(jp_asyncio_loop):
    yield
    for manager in made:
        jp_asyncio_loop.run_until_complete(manager.inner.close())
    made.clear()
