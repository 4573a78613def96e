"""The hub of the simulation: what the chart tells JupyterHub, and production's values over it.

HABARI_SIMULATION is JSON of bench/simulated/parts.py: `hub` is config.dist.yaml's.
"""

import json
import os

from tornado.httpclient import AsyncHTTPClient

from bench.simulated.spawner import SimulatedSpawner

told = json.loads(os.environ["HABARI_SIMULATION"])
hub = told["hub"]
c = get_config()  # type: ignore[name-defined]  # noqa: F821

# As the chart's own configuration does.
AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")
c.JupyterHub.bind_url = told["public_url"]
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = told["hub_url"]
c.JupyterHub.db_url = told["db_url"]
c.JupyterHub.pid_file = ""
c.JupyterHub.cookie_secret = bytes.fromhex(told["secret"])
c.ConfigurableHTTPProxy.api_url = told["proxy_api_url"]
c.ConfigurableHTTPProxy.auth_token = told["secret"]
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
c.JupyterHub.concurrent_spawn_limit = hub["concurrentSpawnLimit"]
c.Spawner.consecutive_failure_limit = hub["consecutiveFailureLimit"]
c.JupyterHub.services = [{"name": "culler", "api_token": told["culler_token"]}]
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers", "read:metrics"]
c.JupyterHub.load_roles = [{"name": "culler", "scopes": scopes, "services": ["culler"]}]

# Production's values, then what is tried.
for section, traits in hub["config"].items():
    c[section].update(traits)
c.GitHubOAuthenticator.update(told["github"])
for name in sorted(hub["extraConfig"]):
    exec(hub["extraConfig"][name], {"c": c})
for section, traits in told["tried"].items():
    c[section].update(traits)
c.JupyterHub.spawner_class = SimulatedSpawner
c.SimulatedSpawner.at = told["servers"]
c.SimulatedSpawner.seconds = told["start_seconds"]
c.SimulatedSpawner.environment = told["server_env"]
