"""What mode kind's values make of a chart's sign-in: all local addresses, Habari's pages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from habari_local.config.render import helm
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings
from habari_local.core.paths import Checkout
from habari_local.drivers import uv
from habari_local.helm_values.chart import Chart
from tests.charts.rendering import ROOT, SERVICES, VALUES, charts, render

CODE = ROOT / "hub" / "habari_hub" / "local_addresses.py"
ROUTES = {"/fake-github/": "http://github:8008", "/services/dashboard/": "http://dashboard:8082"}
# What a hub has read: one line each.
PROGRAM = """\
import sys
from traitlets.config.loader import PyFileConfigLoader
from types import SimpleNamespace as Some
found = PyFileConfigLoader("jupyterhub_config.py", path=sys.argv[1]).load_config()
made = found.JupyterHub.authenticator_class(config=found)
print(made.authorize_url)
print(dict(found.ConfigurableHTTPProxy.extra_routes))
print(found.JupyterHub.template_paths)
print([each["name"] for each in found.JupyterHub.services if "habari_dashboard" in str(each)])
print(type(made).__mro__[1].__name__, sorted(made.allowed_users))
def callback(host):
    request = Some(host=host, headers={}, protocol="http")
    return made.get_callback_url(Some(request=request, hub=Some(base_url="/hub/")))
print(callback("[::1]:18000"))
try:
    callback("evil.example")
except Exception as error:
    print(error.status_code)
"""


class Made(Secrets):
    """Secrets of no platform."""

    def __missing__(self, key: str) -> str:
        return "ff" * 32


@pytest.mark.parametrize("chart", charts(), ids=lambda chart: chart.name)
def test_sign_in_of_mode_kind(chart: Chart, tmp_path: Path) -> None:
    layer = tmp_path / "values.yaml"
    code = helm.HubFiles(CODE.read_text(encoding="utf-8"))
    values = helm.values(Settings(), Made(), {}, {}, hub=code)
    layer.write_text(helm.as_yaml(values), encoding="utf-8")
    rendered = render(chart, [*VALUES[:2], layer])
    pod = rendered["Deployment/hub"]["spec"]["template"]["spec"]
    assert {"name": "habari-pages", "configMap": {"name": "habari-pages"}} in pod["volumes"]
    mounts = pod["containers"][0]["volumeMounts"]
    assert "/srv/habari-pages" in [each["mountPath"] for each in mounts]

    environment = Checkout(ROOT).environments / "hub-docker"
    uv.sync(environment, ROOT / "hub" / "requirements-docker.txt", os.environ)
    done = subprocess.run(
        [environment / "bin" / "python", "-c", PROGRAM, rendered.mounted(tmp_path / "mounted")],
        # In a pod the dashboard is a mounted folder; here it is the checkout's.
        env={**os.environ, **SERVICES, "PYTHONPATH": str(ROOT / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "/fake-github/login/oauth/authorize",
        str(ROUTES),
        "['/srv/habari-pages']",
        "['dashboard']",
        "HabariAuthenticator ['grace', 'linus']",
        "http://[::1]:18000/hub/oauth_callback",
        "400",
    ], done.stderr
