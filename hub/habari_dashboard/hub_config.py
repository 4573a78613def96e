"""The dashboard as a service of the hub: its process, its route, and what either side may.

For the configuration of whatever hub: it needs nothing but Python. The service has no `url` by
which JupyterHub would know it, as the hub would wait for it at each start, and end itself where it
does not answer. So the proxy's route to it is one of the configured ones.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "dashboard"
PREFIX = f"/services/{NAME}/"
ACCESS = f"access:services!service={NAME}"  # what lets somebody in; the role `admin` has it
SCOPES = ("list:users", "read:users:activity", "read:servers")  # of its own token: it looks


def configure(c: Any, bind: str, url: str, health: Mapping[str, str], api_url: str = "") -> None:
    """Have the hub start the dashboard.

    Args:
        c: the configuration, with services, roles and the proxy's routes as lists and dicts.
        bind: where it listens, HOST:PORT.
        url: where the proxy finds it.
        health: name of a part of the platform → what answers when it is well.
        api_url: the hub's API, where a policy keeps its pod from the address that others use.
    """
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HABARI_DASHBOARD_PREFIX": PREFIX,
        "HABARI_DASHBOARD_BIND": bind,
        "HABARI_DASHBOARD_HEALTH": json.dumps(health),
        "HABARI_DASHBOARD_API_URL": api_url,
    }
    if "HABARI_LABEL" in os.environ:  # by these it is found when the hub was killed
        environment |= {"HABARI_LABEL": os.environ["HABARI_LABEL"], "HABARI_SERVICE": f"{NAME}@"}
    c.JupyterHub.services.append(
        {
            "name": NAME,
            "command": [sys.executable, "-m", "habari_dashboard"],
            "environment": environment,
            "oauth_redirect_uri": f"{PREFIX}oauth_callback",
            "oauth_no_confirm": True,  # it is the hub's own
            "oauth_client_allowed_scopes": ["servers"],  # what an admin's token may do there
        }
    )
    c.JupyterHub.load_roles.append(
        {
            "name": NAME,
            "description": "The dashboard: it looks, admins act with tokens of their own",
            "scopes": list(SCOPES),
            "services": [NAME],
        }
    )
    c.ConfigurableHTTPProxy.extra_routes.update({PREFIX: url})
    c.JupyterHub.template_vars.update({NAME: PREFIX})
