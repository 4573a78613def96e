"""`habari-local s3 rotate-key`: a new key for servers, and the end of the old one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from habari_local.commands.options import AsJson, Sets
from habari_local.commands.s3_production import User, production
from habari_local.core.console import Result
from habari_local.core.errors import NOT_READY, HabariError

if TYPE_CHECKING:
    from habari_local.s3.cluster_secret import KeyInCluster
    from habari_local.s3.iam_key import Holder

EVERY = 3.0  # seconds between two looks at who has which key
Context = Annotated[
    str | None,
    typer.Option("--context", metavar="NAME", help="The cluster whose secret gets the key."),
]
Namespace = Annotated[
    str, typer.Option("--namespace", metavar="NAME", help="Where in the cluster.")
]
SecretName = Annotated[
    str,
    typer.Option("--secret", metavar="NAME", help="The Kubernetes secret with the servers' key."),
]
Seconds = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for servers to get it.")
]


def rotate_key(  # noqa: PLR0913, PLR0917 (each is an option of the command line)
    retire: Annotated[
        bool, typer.Option("--retire", help="Delete the old key: servers have the new one.")
    ] = False,
    context: Context = None,
    namespace: Namespace = "habari",
    kept_in: SecretName = "habari-s3",
    wait: Seconds = 0,
    user: User = "habari",
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Replace the key that servers have.

    The old one is deleted once no server has it. With --context the new key goes into the cluster's
    secret, and each running server is asked which it has: none with the old one, and that is
    deleted. Without, hand it over yourself, then call it with --retire. Both keys are good in
    between. Ended midway, it goes on where it was.

    Example: habari-local s3 rotate-key --context NAME --wait 3600
    """
    from habari_local.core.checkout_lock import checkout_lock
    from habari_local.core.paths import find_checkout
    from habari_local.s3 import iam_key as key

    again = f"habari-local s3 rotate-key --user {user}"
    where = _in_cluster(context, namespace, kept_in) if context is not None else None
    state = find_checkout().state
    with production(sets, user) as its:
        with checkout_lock(state, "s3 rotate-key"):
            if retire and not its.holder.file.read().retiring:
                raise HabariError("S3 key: none to retire, one under way was expected.", again)
            new, old = key.hand_over(its.holder)
            ids = {"new": new.access_key_id, "old": old}
            if where:
                where.put(new, ids.values())
        behind = _behind(where, new.access_key_id, wait) if where else []
        if where and behind:
            return _not_yet(ids, behind, again, where, as_json=as_json)
        if retire and not where:
            _must_be_used(its.holder, new.access_key_id, f"{again} --retire")
        if where or retire:
            with checkout_lock(state, "s3 rotate-key"):
                key.retire(its.holder, old)
            said = [f"{old} is deleted; servers have {new.access_key_id}."]
        else:
            said = [f"{new.access_key_id} is in {its.holder.file.path}; {old} is good still."]
            said += [f"Hand it to servers, restart them, then: {again} --retire"]
    return Result({**ids, "retired": bool(where) or retire}, said, as_json=as_json)


def _in_cluster(context: str, namespace: str, secret: str) -> KeyInCluster:
    from habari_local.config.load import environment
    from habari_local.drivers.kubernetes import kubeconfig
    from habari_local.drivers.kubernetes.cluster import Cluster
    from habari_local.s3.cluster_secret import KeyInCluster

    cluster = Cluster(kubeconfig.find(environment(), context), context)
    refusal = cluster.refusal()
    if refusal:
        raise HabariError(
            f"Context {context}: {refusal}.",
            f"kubectl --context {context} version",
        )
    return KeyInCluster(cluster, namespace, secret)


def _behind(where: KeyInCluster, key_id: str, seconds: float) -> list[str]:
    """Return who has another key after at most `seconds`: nothing tells when a server restarts."""
    from habari_local.core import polling

    end = time.monotonic() + seconds
    while (behind := where.without(key_id)) and time.monotonic() < end:
        polling.pause(min(EVERY, max(0.0, end - time.monotonic())))
    return behind


def _not_yet(
    ids: dict[str, str], behind: list[str], again: str, where: KeyInCluster, *, as_json: bool
) -> Result:
    cluster = f"--context {where.cluster.context} --namespace {where.namespace}"
    said = [
        f"{ids['new']} is in the secret {where.secret}; {ids['old']} is good still.",
        f"With the old one run the servers of {', '.join(behind)}: once they were restarted,"
        f" {again} {cluster}",
    ]
    return Result({**ids, "retired": False, "behind": behind}, said, NOT_READY, as_json=as_json)


def _must_be_used(holder: Holder, new: str, again: str) -> None:
    if holder.last_used(new) is None:
        raise HabariError(
            f"S3 key {new}: IAM has not seen it used yet (it tells minutes late), use was expected;"
            " the old one stays good.",
            again,
            NOT_READY,
        )
