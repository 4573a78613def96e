"""Rules for what production would do with values: one module for what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from habari_local.helm_values.behavior import images, network, servers, sign_in, startup
from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation

Rule = Callable[[Evaluation], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "start": startup.starts,
    "authenticator": sign_in.identity,
    "allow": sign_in.who_gets_in,
    "client-id": sign_in.client_id,
    "stays": sign_in.who_stays,
    "image": images.pinned,
    "moving-tag": images.moving,
    "unlisted-image": images.unlisted,
    "server-rights": servers.confined,
    "server-protection": servers.protected,
    "metadata": network.metadata,
    "network": network.reached,
}
