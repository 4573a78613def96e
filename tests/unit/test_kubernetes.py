"""A cluster by its client: the keys out of the kubeconfig are where they are meant to be."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from habari_local.drivers.kubernetes.api_errors import ApiError
from habari_local.drivers.kubernetes.cluster import Cluster
from tests.fake_kubernetes import Cluster as FakeApi

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: another
contexts: [{{name: ours, context: {{cluster: ours, user: us}}}}]
clusters: [{{name: ours, cluster: {{server: "https://127.0.0.1:1"}}}}]
users: [{{name: us, user: {{client-certificate-data: {key}, client-key-data: {key}}}}}]
"""


def test_keys_are_private_and_in_the_folder_given(tmp_path: Path) -> None:
    """Steps work side by side, each with a client of its own."""
    file, keys = tmp_path / "kubeconfig", tmp_path / "keys"
    file.write_text(KUBECONFIG.format(key=base64.b64encode(b"secret").decode()))

    def configured(_: int) -> str:
        return str(Cluster(file, "ours", keys).api.api_client.configuration.key_file)

    with ThreadPoolExecutor(8) as pool:
        found = {Path(each) for each in pool.map(configured, range(16))}
    assert {each.parent for each in found} == {keys}
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in keys.iterdir()} == {0o600}


EXEC = """\
apiVersion: v1
kind: Config
contexts: [{name: ours, context: {cluster: ours, user: us}}]
clusters: [{name: ours, cluster: {server: "https://127.0.0.1:1"}}]
users:
  - name: us
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: sh
        args: [-c, "echo your login has expired >&2; exit 3"]
        interactiveMode: Never
"""


def test_a_credential_program_that_fails_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(EXEC)
    with pytest.raises(ApiError, match=r"exec: process returned 3\. your login has expired"):
        Cluster(file, "ours").pods("habari")


@pytest.mark.parametrize("how", ["HTTP_PROXY", "proxy-url"])
def test_a_proxy_is_taken_as_kubectl_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with FakeApi() as proxy:
        url = f"http://127.0.0.1:{proxy.server_address[1]}"
        file = proxy.kubeconfig(tmp_path / "kubeconfig", "ours")
        far = file.read_text().replace(url, "http://cluster.invalid")
        if how == "proxy-url":
            far = far.replace('"server"', f'"proxy-url": "{url}", "server"')
            monkeypatch.setenv("NO_PROXY", "cluster.invalid")
        else:
            monkeypatch.setenv("HTTP_PROXY", url)
        file.write_text(far)
        assert Cluster(file, "ours").pods("habari") == []
        assert proxy.asked == ["GET http://cluster.invalid/api/v1/namespaces/habari/pods"]
        monkeypatch.setenv("NO_PROXY", "cluster.invalid")
        if how == "HTTP_PROXY":
            with pytest.raises(ApiError, match="did not answer"):
                Cluster(file, "ours").pods("habari")
        proxy.close()


def test_no_proxy_is_asked_for_a_cluster_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with FakeApi() as api:
        file = api.kubeconfig(tmp_path / "kubeconfig", "ours")
        assert Cluster(file, "ours").pods("habari") == []
        api.close()
