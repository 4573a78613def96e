"""Rules for production's values beyond what a chart takes: one module for what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from habari_local.helm_values.rules import (
    hub_settings,
    ingress_and_tls,
    placeholders_and_secrets,
    pods,
    sign_in,
)
from habari_local.helm_values.values import Data, Place

# A rule yields the place of each thing that is wrong, and a sentence without the value itself.
Rule = Callable[[Data], Iterator[tuple[Place, str]]]

RULES: Mapping[str, Rule] = {
    "authenticator": sign_in.authenticator,
    "allow": sign_in.allow_list_set,
    "client-secret": sign_in.client_secret,
    "fake-github": sign_in.no_fake_github,
    "callback": ingress_and_tls.callback,
    "tls": ingress_and_tls.tls,
    "s3": ingress_and_tls.s3,
    "image": pods.pinned,
    "unlisted-image": pods.unlisted,
    "server-rights": pods.rights,
    "server-protection": pods.unprotected,
    "metadata": pods.metadata,
    "extra-config": hub_settings.no_python,
    "braces": pods.braces,
    "placeholder": placeholders_and_secrets.placeholders,
    "plain-secret": placeholders_and_secrets.plain_secrets,
}
# Of what may be meant and is dangerous: told, and refused by nothing.
WARNINGS: Mapping[str, Rule] = {
    "debug": pods.debug,
    "network": pods.network,
    "moving-tag": pods.moving_tags,
    "sign-in-warning": sign_in.weakened,
}
