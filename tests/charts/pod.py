"""What a hub makes of a rendered chart: settings and a user's pod, in the hub's environment."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub  # type: ignore[import-not-found, unused-ignore]
from kubernetes_asyncio.client import ApiClient  # type: ignore[import-not-found, unused-ignore]
from kubespawner import KubeSpawner  # type: ignore[import-not-found, unused-ignore]

HUB = ("hub_bind_url", "hub_connect_url", "db_url", "authenticator_class", "cleanup_servers")


class Hub:
    """As much of a hub and of a user as a spawner asks for."""

    public_host = ""
    base_url = url = "/hub/"
    api_url = "http://hub:8081/hub/api"
    name = "grace"
    id = 3


async def told(folder: Path) -> dict[str, Any]:
    app = JupyterHub()
    app.load_config_file(str(folder / "jupyterhub_config.py"))
    config = app.config
    spawner = KubeSpawner(config=config, _mock=True, user=Hub(), hub=Hub())
    spawner.api_token = "a-token"
    spawner.get_env = lambda: spawner._expand_env(spawner.environment)
    as_data = ApiClient().sanitize_for_serialization
    return {
        "pod": as_data(await spawner.get_pod_manifest()),
        "claim": as_data(spawner.get_pvc_manifest()),
        "hub": {name: config.JupyterHub.get(name) for name in HUB},
        "proxy": dict(config.ConfigurableHTTPProxy),
        "github": dict(config.GitHubOAuthenticator),
        "services": config.JupyterHub.services,
        "roles": config.JupyterHub.load_roles,
        "timeouts": [spawner.start_timeout, spawner.http_timeout],
        "failures": spawner.consecutive_failure_limit,
    }


if __name__ == "__main__":
    found = asyncio.run(told(Path(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(found, default=str), encoding="utf-8")
