"""Rules for what production would do with values: one module for what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from habari_local.helm_values.behavior import (
    addresses,
    culling,
    database,
    homes,
    hub_pod,
    images,
    ingress,
    network,
    objects,
    reachability,
    routes,
    scheduling,
    servers,
    sign_in,
    startup,
)
from habari_local.helm_values.behavior.finding import Finding
from habari_local.helm_values.evaluate import Evaluation

Rule = Callable[[Evaluation], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "start": startup.starts,
    "unread": startup.unread,
    "kept": startup.kept,
    "objects": objects.taken,
    "authenticator": sign_in.identity,
    "allow": sign_in.who_gets_in,
    "scope": sign_in.scopes,
    "providers": sign_in.providers,
    "provider": sign_in.usable,
    "fake-github": sign_in.by_https,
    "user-rights": sign_in.rights_of_users,
    "user-servers": sign_in.rights_to_start,
    "callback": addresses.callback,
    "tls": addresses.tls,
    "client-secret": addresses.client_secret,
    "client-id": sign_in.client_id,
    "stays": sign_in.who_stays,
    "image": images.pinned,
    "moving-tag": images.moving,
    "unlisted-image": images.unlisted,
    "server-rights": servers.confined,
    "server-protection": servers.protected,
    "hub-protection": servers.hub_protected,
    "homes": homes.separate,
    "homes-kept": homes.mounted,
    "homes-emptied": homes.emptied,
    "homes-named": homes.named,
    "database": database.lasting,
    "cull": culling.in_use,
    "cull-kept": culling.kept,
    "schedule": scheduling.scheduled,
    "hub-stays": hub_pod.stays,
    "hub-image": hub_pod.fits,
    "hub-reached": hub_pod.reached,
    "ingress": ingress.served,
    "hub-rights": servers.chart_pods,
    "hub-pod": servers.of_the_hub,
    "metadata": network.metadata,
    "network": network.reached,
    "network-ingress": network.opened,
    "network-hub": network.connected,
    "network-ways": reachability.connected,
    "network-own": reachability.watched,
    "routes": routes.routed,
    "addresses": routes.addressed,
}
