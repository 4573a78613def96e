"""Rules for production's values beyond what a chart takes: one module for what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from habari_local.charts.rules import addresses, images, leftovers, servers, sign_in
from habari_local.charts.values import Data, Place

# A rule yields the place of each thing that is wrong, and a sentence without the value itself.
Rule = Callable[[Data], Iterator[tuple[Place, str]]]

RULES: Mapping[str, Rule] = {
    "authenticator": sign_in.authenticator,
    "allow": sign_in.somebody_and_not_everybody,
    "client-secret": sign_in.client_secret,
    "stand-in": sign_in.no_stand_in,
    "callback": addresses.callback,
    "tls": addresses.tls,
    "s3": addresses.s3,
    "image": images.fixed,
    "braces": servers.braces,
    "placeholder": leftovers.placeholders,
    "plain-secret": leftovers.plain_secrets,
}
