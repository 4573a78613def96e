"""A cluster by its client: the keys out of the kubeconfig are where they are meant to be."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from habari_local.drivers.kubernetes.cluster import Cluster

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
