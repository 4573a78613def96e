"""The server configuration that docker-stacks puts into /etc/jupyter: read by every server."""

import os

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets puts it there
c.ServerApp.ip = ""
c.ServerApp.open_browser = False
c.InlineBackend.figure_formats = {"png", "jpeg", "svg", "pdf"}
c.FileContentsManager.delete_to_trash = False
if "NB_UMASK" in os.environ:
    os.umask(int(os.environ["NB_UMASK"], 8))
