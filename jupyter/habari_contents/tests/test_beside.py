"""Beside jupyter-collaboration and jupyter-server-fileid: what is typed after a rename is kept.

Both are in the environment of `nox -s strangers`, and not in the platform's notebook image.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jupyter_server_ydoc") is None,
    reason="jupyter-collaboration is not installed; nox -s strangers has it",
)
EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"


def test_what_is_typed_right_after_a_rename_is_saved(manager, tmp_path, name, body, keys):
    """The room took the copy's time for somebody else's change, and loaded the file again."""
    from jupyter_server_fileid.manager import ArbitraryFileIdManager
    from jupyter_server_ydoc.loaders import FileLoader

    ids = ArbitraryFileIdManager(db_path=str(tmp_path / "ids.db"), root_dir=str(tmp_path))
    handlers = ids.get_handlers_by_action()

    async def heard(logger, schema_id, data) -> None:
        assert (logger, schema_id) == (manager.event_logger, EVENTS)
        if handlers[data["action"]]:
            handlers[data["action"]](data)

    async def edited() -> None:
        manager.event_logger.add_listener(schema_id=EVENTS, listener=heard)
        old, new = f"lake/{name}/a.txt", f"lake/{name}/b.txt"
        typed = {"type": "file", "format": "text"}
        await manager.save(typed | {"content": "one"}, old)
        room = FileLoader(ids.index(old), ids, manager, logging.getLogger("room"))
        await room.load_content("text", "file")
        await asyncio.to_thread(time.sleep, 1.1)  # S3 has whole seconds
        await manager.rename(old, new)
        await asyncio.sleep(0.1)  # listeners are tasks
        assert room.path == new, "the file's id follows it"
        await room.maybe_save_content(typed | {"content": "two"})
        await room.maybe_save_content(typed | {"content": "three"})
        await manager.close()

    asyncio.run(edited())
    assert body("habari-lake", f"{name}/b.txt") == b"three"
    assert keys("habari-lake", f"{name}/a") == []
