"""Whether the hub's database is the one that was meant, and outlives the hub's pod."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from habari_local.helm_values.behavior.finding import Finding, of_trait, origin
from habari_local.helm_values.behavior.object_values import items
from habari_local.helm_values.evaluate import Evaluation
from habari_local.helm_values.values import Data, Place, at, text_at

DB: Place = ("hub", "db")
DIALECTS = {"postgres": ("postgresql",), "mysql": ("mysql", "mariadb")}
FOLDER = "/srv/jupyterhub"  # where the chart's hub image works
# What stands for a secret that is not known here: hub/habari_evaluation/pod_files.py.
INVENTED = re.compile(r"(.*/)?[0-9a-f]{64}")
ASYNCHRONOUS = ("asyncpg", "psycopg_async", "aiomysql", "asyncmy", "aiosqlite", "aioodbc")
STAY = ("persistentVolumeClaim", "hostPath", "nfs", "csi")


def lasting(evaluation: Evaluation) -> Iterator[Finding]:
    """The database is of the kind that is asked for, and no file in the hub's pod alone."""
    kind = text_at(evaluation.whole, *DB, "type")
    dialect, file = evaluation.get("database"), evaluation.get("database_file") or ""
    if not dialect or INVENTED.fullmatch(file):
        return
    wanted, own = DIALECTS.get(kind), at(evaluation.data, (*DB, "url"))
    if own and wanted and dialect not in wanted:
        says = f"is an address of {dialect}, one of {wanted[0]} was expected"
        yield Finding((*DB, "url"), says)
        return
    driver = evaluation.get("database_driver")
    if driver in ASYNCHRONOUS:
        says = (
            f"{driver} is a driver for asyncio, which JupyterHub does not use: the hub can't start"
        )
        yield Finding((*DB, "url"), says)
        return
    if dialect != "sqlite" or kind == "sqlite-memory":
        return
    place, where = origin(evaluation, "hub", "db_url")
    in_code = bool(where) or at(evaluation.data, place) is not None
    secret = text_at(evaluation.whole, "hub", "existingSecret")
    if not (own or in_code or kind == "sqlite-pvc") and secret:
        return  # its values.yaml may have hub.db.url
    if file in ("", ":memory:") or not _stays(evaluation, file):
        says = "the database is a file in the hub's pod, and each restart forgets everybody"
        if in_code:
            yield of_trait(evaluation, "hub", "db_url", says)
        else:
            yield Finding((*DB, "url"), f"not set: {says}" if not own else says)


def _stays(evaluation: Evaluation, file: str) -> bool:
    """Whether a file of the hub's container is on a volume that stays."""
    for made in evaluation.manifests:
        spec = at(made, ("spec", "template", "spec")) or {}
        for _, container in items(spec.get("containers")):
            if made.get("kind") == "Deployment" and container.get("name") == "hub":
                return _is_kept(spec, container, file)
    return True


def _is_kept(spec: Data, container: Data, file: str) -> bool:
    path = posixpath.join(str(container.get("workingDir") or FOLDER), file)
    path = posixpath.normpath(path)
    stays = {
        each.get("name")
        for _, each in items(spec.get("volumes"))
        if any(each.get(kind) is not None for kind in STAY)
    }
    covering = {
        folder: mount
        for _, mount in items(container.get("volumeMounts"))
        if path.startswith((folder := posixpath.normpath(str(mount.get("mountPath")))) + "/")
        or path == folder
    }
    nearest = max(covering, key=len, default="")
    return bool(nearest) and covering[nearest].get("name") in stays
