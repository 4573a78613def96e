"""JupyterHub as Habari runs it, in every mode; habari_hub/settings.py names what it is told."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from habari_dashboard import hub_config as dashboard
from habari_hub.authenticator import HabariAuthenticator
from habari_hub.database import wait_for
from habari_hub.dns_cache import disable_dns_cache
from habari_hub.local_addresses import at_local_addresses
from habari_hub.settings import SettingsError, read_settings
from habari_hub.spawners import configure_spawner

try:
    settings = read_settings(os.environ)
except SettingsError as error:
    sys.exit(str(error))
wait_for(settings.db_url)
disable_dns_cache()

c = get_config()  # type: ignore[name-defined]  # noqa: F821

# Where things are. The proxy is external: a hub that restarts, or dies, breaks nobody's connection.
c.JupyterHub.bind_url = settings.public_url
if not settings.github_path:
    c.JupyterHub.public_url = settings.public_url
c.JupyterHub.hub_bind_url = settings.bind_url
if settings.connect_url:
    c.JupyterHub.hub_connect_url = settings.connect_url
c.JupyterHub.db_url = settings.db_url
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = settings.proxy_api_url
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
# A proxy that was restarted has no routes: seconds until the hub sees it by itself; at once with
# POST /hub/api/proxy.
c.JupyterHub.last_activity_interval = 60

# Pages with Habari's name and logo.
c.JupyterHub.template_paths = [str(Path(__file__).parent / "templates")]
c.JupyterHub.template_vars = {"fake_github": bool(settings.github_path)}

# Who may come in. The admins are no admin_users, which only ever adds: their role's list is exact.
c.JupyterHub.authenticator_class = HabariAuthenticator
c.HabariAuthenticator.client_id = settings.client_id
c.HabariAuthenticator.client_secret = settings.client_secret
c.HabariAuthenticator.oauth_callback_url = f"{settings.public_url}/hub/oauth_callback"
c.HabariAuthenticator.github_url = settings.github_url
c.HabariAuthenticator.github_api = settings.github_api_url
c.HabariAuthenticator.token_url = f"{settings.github_internal_url}/login/oauth/access_token"
if settings.github_path:
    # The fake GitHub is shown at the hub's own address, whichever of this machine's people open.
    c.JupyterHub.authenticator_class = at_local_addresses(HabariAuthenticator)
    c.HabariAuthenticator.authorize_url = f"{settings.github_path}/login/oauth/authorize"
    c.ConfigurableHTTPProxy.extra_routes = {
        f"{settings.github_path}/": settings.github_internal_url
    }
c.HabariAuthenticator.enable_pkce = True
c.HabariAuthenticator.scope = settings.scopes
c.HabariAuthenticator.allow_existing_users = False
c.HabariAuthenticator.allowed_users = set(settings.admins | settings.users)
c.HabariAuthenticator.allowed_organizations = set(settings.organizations)
# GitHub tokens are kept (encrypted) only where a membership must be looked at again.
c.HabariAuthenticator.enable_auth_state = bool(settings.organizations)
c.HabariAuthenticator.http_request_kwargs = {
    "connect_timeout": settings.github_timeout,
    "request_timeout": settings.github_timeout,
}
c.HabariAuthenticator.custom_403_message = (
    "You are signed in to GitHub, but this account is not among those that may use Habari here."
    " Ask an admin to add it, or sign in to GitHub with another account."
)

# What they may do. Admins may open other people's servers, as on the chart: JupyterHub's admin role
# has access:servers.
c.JupyterHub.load_roles = [
    {"name": "admin", "users": sorted(settings.admins), "services": []},
    {
        "name": "habari-local",
        "description": "The tool and its end-to-end suite",
        "scopes": [
            *("admin:users", "admin:servers", "access:servers", "tokens"),
            *("list:services", "read:hub", "read:roles", "read:metrics", "proxy", "shutdown"),
            dashboard.ACCESS,  # to publish what is shown there
        ],
        "services": ["habari-local"],
    },
]
c.JupyterHub.services = [{"name": "habari-local", "api_token": settings.api_token}]
if settings.dashboard_bind:
    dashboard.configure(
        c, settings.dashboard_bind, settings.dashboard_url, settings.dashboard_health
    )
if settings.cull_after:
    c.JupyterHub.services.append(
        {
            "name": "idle-culler",
            "command": [
                sys.executable,
                "-m",
                "jupyterhub_idle_culler",
                f"--timeout={settings.cull_after}",
            ],
            # By these it is found when the hub was killed: JupyterHub passes on little else.
            "environment": (
                {"HABARI_LABEL": os.environ["HABARI_LABEL"], "HABARI_SERVICE": "idle-culler@"}
                if "HABARI_LABEL" in os.environ
                else {}
            ),
        }
    )
    c.JupyterHub.load_roles.append(
        {
            "name": "idle-culler",
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            "services": ["idle-culler"],
        }
    )

# Sessions. Lax, not Strict: GitHub sends people back from another site.
c.JupyterHub.cookie_max_age_days = 14
c.JupyterHub.cookie_host_prefix_enabled = settings.public_url.startswith("https://")
c.JupyterHub.tornado_settings = {"cookie_options": {"samesite": "Lax"}}

# Spawning. A run of failures (S3 down, a broken environment) must not end the hub: it would only be
# started anew, and fail again.
configure_spawner(c, settings)
# Seconds: ten minutes to wait for a turn and to start, of which a server that does nothing has one.
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 120  # a slow machine takes a while for the first answer
c.Spawner.consecutive_failure_limit = 0
c.JupyterHub.init_spawners_timeout = 1
