"""Whose number servers run as in a cluster: the owner's of the project's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from habari_local.config.render import helm
from habari_local.config.secrets import Secrets
from habari_local.config.settings import Settings


class Made(Secrets):
    def __missing__(self, key: str) -> str:
        return "made-once"


def rendered(account: int) -> Mapping[tuple[str, ...], Any]:
    found = helm.values(Settings(), Made(), {}, {}, account)
    return {each.path: each.value for each in found}


def test_an_account_of_another_number_is_the_servers_too() -> None:
    values = rendered(1001)
    assert values["singleuser", "uid"] == 1001
    assert values["hub", "config", "KubeSpawner", "gid"] == 100, "else the group is root's"


def test_with_the_images_own_number_there_is_no_difference_from_production() -> None:
    assert not {path for path in rendered(1000) if path[-1] in ("uid", "gid")}
