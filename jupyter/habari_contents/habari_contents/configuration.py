"""Owns what the contents manager is configured with: its traits, and the S3 folders they name."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import AsyncContentsManager
from traitlets import Bool, Dict, Float, Instance, Integer, Type, Unicode, default

from habari_contents.bucket import Bucket

from .checkpoints import RoutedCheckpoints
from .client import Client
from .files import FilesHandler
from .folder import Folder
from .settings import FOLDERS_VARIABLE, Deadlines, FolderSettings, parse_folders

# Its methods have no types; as Any they can be called from typed code.
_Manager: Any = AsyncContentsManager


class ConfiguredManager(_Manager):  # type: ignore[misc]
    """A contents manager that knows its home and its S3 folders, and serves neither yet."""

    folders = Dict(config=True, help="S3 folders: {name: {'bucket': …, 'prefix': …}}.")
    look_seconds = Float(4.0, config=True, help="Deadline of a look at one object.")
    listing_seconds = Float(15.0, config=True, help="Deadline of a listing.")
    transfer_seconds = Float(6.0, config=True, help="Deadline of a read or save, plus its size.")
    rest_seconds = Float(3.0, config=True, help="How long a bucket that failed is left alone.")
    max_open_bytes = Integer(256 * 1024 * 1024, config=True, help="The largest file to open.")
    always_delete_dir = Bool(False, config=True, help="May S3 folders be deleted that are full?")
    journal_dir = Unicode(config=True, help="Where moves under way are recorded, in the home.")
    home: Any = Instance(AsyncLargeFileManager, help="What serves the home.")
    checkpoints_class = Type(RoutedCheckpoints, klass=AsyncCheckpoints, config=True)
    files_handler_class = Type(FilesHandler, config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        deadlines = Deadlines(
            self.look_seconds, self.listing_seconds, self.transfer_seconds, self.rest_seconds
        )
        self._client = Client()
        self._folders: dict[str, Folder] = {}
        for name, entry in parse_folders(self.folders).items():
            self._folders[name] = self._folder(name, entry, deadlines)
            if Path(self.root_dir, name).exists():
                self.log.warning("The home's own %s/ is hidden by the S3 folder %s/.", name, name)

    def _folder(self, name: str, entry: FolderSettings, deadlines: Deadlines) -> Folder:
        base = f"{entry.prefix}/" if entry.prefix else ""
        bucket = Bucket(entry.bucket, self._client, deadlines, entry.written_with(), base)
        return Folder(name, bucket, self, readonly=entry.readonly)

    @default("folders")
    def _default_folders(self) -> dict[str, Any]:
        found = parse_folders(os.environ.get(FOLDERS_VARIABLE) or "{}")
        return {name: asdict(folder) for name, folder in found.items()}

    @default("root_dir")
    def _default_root_dir(self) -> str:
        return str(getattr(self.parent, "root_dir", "") or Path.cwd())

    @default("journal_dir")
    def _default_journal_dir(self) -> str:
        return str(Path(jupyter_data_dir(), "habari_contents", "moves"))

    @default("preferred_dir")
    def _default_preferred_dir(self) -> str:
        return str(self.home.preferred_dir)

    @default("home")
    def _default_home(self) -> AsyncLargeFileManager:
        return AsyncLargeFileManager(
            parent=self.parent, log=self.log, root_dir=self.root_dir, allow_hidden=self.allow_hidden
        )

    @default("files_handler_params")
    def _default_files_handler_params(self) -> dict[str, str]:
        return {"path": self.root_dir}

    async def close(self) -> None:
        """Close the connections to S3."""
        await self._client.close()

    def folder_of(self, path: str) -> Folder | None:
        """The S3 folder that an API path is in, or None for the home."""
        return self._folders.get(path.strip("/").partition("/")[0])

    def info_string(self) -> str:
        """What the server logs when it starts."""
        return f"{self.home.info_string()}; S3 folders: {', '.join(self._folders) or 'none'}"

    def register_pre_save_hook(self, hook: Any) -> None:
        """Register a hook for saves everywhere; post-save hooks need a disk and are the home's."""
        super().register_pre_save_hook(hook)
        self.home.register_pre_save_hook(hook)

    def register_post_save_hook(self, hook: Any) -> None:
        """Register a hook for what was saved to the home's disk."""
        self.home.register_post_save_hook(hook)
