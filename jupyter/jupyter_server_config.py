"""Owns how every Habari notebook server is set up: its contents, its extensions, its logs.

It is the same file in the image and in process mode. What differs between deployments comes from
the environment: AWS_* (credentials, region, endpoint) and HABARI_CONTENTS_FOLDERS (the S3 folders).
"""

import gc
import importlib.util
import os
import sys
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - traitlets puts it there

# An image has the contents manager installed; a checkout has it beside this file. By this path and
# not by PYTHONPATH, because kernels inherit that.
if importlib.util.find_spec("habari_contents") is None:
    sys.path.append(str(Path(__file__).parent / "habari_contents"))

# The home is the root of the tree, and every bucket a folder in it.
c.ServerApp.root_dir = str(Path.home())
c.ServerApp.contents_manager_class = "habari_contents.HabariContentsManager"
# Without a hub: no other site's page may have a request sent in a person's name.
c.IdentityProvider.cookie_options = {"samesite": "Lax"}
# JupyterLab asks before it deletes a folder, and a bucket has no other tool for it at hand.
c.HabariContentsManager.always_delete_dir = True
# This server is ours, and its collector is frozen at the start, too (below).
c.HabariContentsManager.freeze_garbage_collector = True

# Each extension costs memory and start time in every server. lsp does nothing without language
# servers, and the shim serves the classic notebook, which is not installed.
c.ServerApp.jpserver_extensions = {
    "jupyter_lsp": False,
    "notebook_shim": False,
    "jupyterlab": True,
    "jupyter_server_terminals": True,
}
# When JupyterLab is imported it asks node, if there is one, for yarn's registry: 0.35 s of every
# start for what only the building of extensions needs. Without a PATH it finds no node.
path = os.environ.get("PATH", "")
os.environ["PATH"] = ""
try:
    importlib.import_module("jupyterlab.labapp")
finally:
    os.environ["PATH"] = path

# What is there now stays: the collector need not look at it (singleuser.py let it rest so far).
gc.freeze()
gc.enable()

# Nothing asks the internet, and nobody whether it may: no news (lab/settings/overrides.json), no
# update check, no extension catalogue.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.app_settings_dir = str(Path(__file__).parent / "lab" / "settings")
c.LabApp.extension_manager = "readonly"
# lake/ and notebooks/ look shared (lab/custom/custom.css). The folder is set in the web server: the
# trait for it can't be.
c.LabApp.custom_css = True
custom = str(Path(__file__).parent / "lab" / "custom")
c.ServerApp.tornado_settings = {"static_custom_path": [custom]}
# An extension of JupyterLab is half in the browser, half in the server: only those of the server's
# own environment have both. Those of other environments and of homes are an error at each start.
c.LabApp.labextensions_path = [str(Path(sys.prefix, "share", "jupyter", "labextensions"))]

# One line for each request and save is the hub's proxy's business; here are warnings and errors.
c.Application.log_level = "WARN"
