"""The IAM user of production and its key: in IAM, in one private file, in a cluster's secret."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from habari_local.config.secrets import write_private
from habari_local.core.errors import USAGE, HabariError, pasteable
from habari_local.drivers.kubernetes.cluster import Cluster
from habari_local.drivers.kubernetes.pod_exec import Pod, execute
from habari_local.s3 import policy
from habari_local.s3.bootstrap import KEYS_OF_A_USER, POLICY, USER
from habari_local.s3.production_buckets import Difference
from habari_local.s3.s3_client import MISSING, Buckets, S3Access, error_code

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

# AWS refuses requests of a clock that is further off, so a key that a call of ours made was made
# within this of the time that the call wrote down.
CLOCKS_DIFFER = timedelta(minutes=15)
ID, SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
RETIRING, MAKING = "# retiring ", "# making "
SERVERS = "component=singleuser-server"
USER_ANNOTATION = "hub.jupyter.org/username"


@dataclass(frozen=True)
class Holder:
    """The IAM user whose key servers get, and the file that the key is kept in."""

    iam: IAMClient
    file: KeyFile
    name: str = USER

    def key_ids(self) -> list[str]:
        """Return the ids of the user's keys."""
        return list(self.made())

    def made(self) -> dict[str, datetime]:
        """Return when each of the user's keys was made."""
        found = self.iam.list_access_keys(UserName=self.name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["CreateDate"] for key in found}

    def last_used(self, key_id: str) -> datetime | None:
        """Return when IAM last saw a key used; it tells minutes late, None if never."""
        seen = self.iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
        return seen.get("LastUsedDate")

    def delete(self, key_id: str) -> None:
        """Delete a key; deleted already is good too."""
        _call(lambda: self.iam.delete_access_key(UserName=self.name, AccessKeyId=key_id))


def differences(holder: Holder, buckets: Buckets) -> list[Difference]:
    """Return what is missing of user, policy and key, in the order in which it can be made."""
    iam, name = holder.iam, holder.name
    there = _call(lambda: iam.get_user(UserName=name)) is not None
    found = []
    if not there:
        cure: Callable[[], Any] = lambda: iam.create_user(UserName=name)  # noqa: E731
        found.append(Difference(f"IAM user {name}", "not there", "one", cure))
    answer = _call(lambda: iam.get_user_policy(UserName=name, PolicyName=POLICY))
    document = answer["PolicyDocument"] if answer else None
    if isinstance(document, str):
        document = json.loads(unquote(document))
    if document != policy.document(buckets):
        seen = "another" if document else "not there"
        cure = lambda: iam.put_user_policy(  # noqa: E731
            UserName=name, PolicyName=POLICY, PolicyDocument=policy.text(buckets)
        )
        found.append(Difference(f"policy {POLICY}", seen, "the one for the two buckets", cure))
    return [*found, *_of_key(holder, holder.key_ids() if there else [])]


def _of_key(holder: Holder, ids: list[str]) -> list[Difference]:
    access = holder.file.read().access
    if access and access.access_key_id in ids:
        return []
    seen = f"{access.access_key_id}, which IAM does not know" if access else "none"
    if ids:
        seen += f" (of {', '.join(ids)} the secret is elsewhere)"
    cure = lambda: _new_key(holder, Kept())  # noqa: E731
    return [Difference(f"{holder.file.path}", seen, "a key of the user", cure)]


def hand_over(holder: Holder) -> tuple[S3Access, str]:
    """Make a new key and keep it in the file; return it and the id of the old one, good still.

    Called again after it was killed, it goes on: a rotation that is under way is not begun a second
    time.
    """
    kept = holder.file.read()
    old = kept.access
    if old is None or old.access_key_id not in holder.key_ids():
        raise HabariError(
            f"{holder.file.path}: holds no key of the IAM user {holder.name}.",
            "habari-local s3 bootstrap --backend aws",
        )
    if kept.retiring:
        return old, kept.retiring
    return _new_key(holder, replace(kept, retiring=old.access_key_id)), old.access_key_id


def retire(holder: Holder, old: str) -> None:
    """Delete the old key, then forget that it was to go."""
    access = holder.file.read().access
    if access is None or access.access_key_id == old:
        raise HabariError(
            f"{holder.file.path}: still has the key that is to be retired.",
            "habari-local s3 check",
        )
    holder.delete(old)
    holder.file.write(Kept(access))


def _new_key(holder: Holder, wanted: Kept) -> S3Access:
    """Make a key and write it down, as `wanted` says of all but itself.

    That one is about to be made is written down before: a key that a killed call made and whose
    secret nobody has can so be told from one that somebody else made.
    """
    before = holder.file.read()
    if before.making:
        _forget_lost(holder, before.making)
    made = holder.key_ids()
    if len(made) >= KEYS_OF_A_USER:
        ours = before.access.access_key_id if before.access else ""
        foreign = next(each for each in made if each != ours)
        raise HabariError(
            f"IAM user {holder.name}: has {len(made)} keys, and this checkout did not make"
            f" {foreign}; IAM allows no third.",
            f"aws iam delete-access-key --user-name {holder.name} --access-key-id {foreign}",
        )
    making = Making(datetime.now(UTC), tuple(made))
    holder.file.write(replace(before, making=making))
    key = holder.iam.create_access_key(UserName=holder.name)["AccessKey"]
    access = S3Access(key["AccessKeyId"], key["SecretAccessKey"])
    holder.file.write(replace(wanted, access=access, making=None))
    return access


def _forget_lost(holder: Holder, making: Making) -> None:
    """Delete the key that a killed call made and did not write down, if it came to making one."""
    for key_id, since in holder.made().items():
        if key_id in making.before or abs(since - making.since) > CLOCKS_DIFFER:
            continue
        if holder.last_used(key_id) is None:
            holder.delete(key_id)


def _call(ask: Callable[[], Any]) -> Any:
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        return None


@dataclass(frozen=True)
class Making:
    """A key is about to be made: since when, and which ones there were before it."""

    since: datetime
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What the file has: the key, the id of the one on its way out, the making of a new one."""

    access: S3Access | None = None
    retiring: str = ""
    making: Making | None = None


@dataclass(frozen=True)
class KeyFile:
    """The file, as `kubectl create secret generic --from-env-file` reads it.

    What is under way stands in it as comments, so that no kill can leave one written without the
    other.
    """

    path: Path

    def read(self) -> Kept:
        """Return what is kept.

        Raises:
            HabariError: something is, and it is no key.
        """
        if not self.path.is_file():
            return Kept()
        lines = self.path.read_text(encoding="utf-8").splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        pair = (values.get(ID), values.get(SECRET))
        try:
            making = _making(_after(MAKING, lines))
        except ValueError:
            making = None
        if pair[0] and pair[1]:
            return Kept(S3Access(pair[0], pair[1]), _after(RETIRING, lines), making)
        if making and not values:
            return Kept(making=making)
        raise HabariError(
            f"{self.path}: {ID} and {SECRET} are missing.",
            f"{pasteable('mv', self.path, f'{self.path}.broken')} && habari-local s3 check",
        )

    def write(self, kept: Kept) -> None:
        """Put that in place of what is kept, in one step."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = []
        if kept.access:
            access = kept.access
            lines += [f"{ID}={access.access_key_id}", f"{SECRET}={access.secret_access_key}"]
        if kept.retiring:
            lines.append(f"{RETIRING}{kept.retiring}")
        if kept.making:
            making = kept.making
            lines.append(MAKING + " ".join((making.since.isoformat(), *making.before)))
        write_private(self.path, "".join(f"{line}\n" for line in lines))


def _after(mark: str, lines: list[str]) -> str:
    return next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "")


def _making(text: str) -> Making | None:
    since, *before = text.split() or [""]
    return Making(datetime.fromisoformat(since), tuple(before)) if since else None


@dataclass(frozen=True)
class KeyInCluster:
    """The secret of a namespace that users' servers take their key from when they start."""

    cluster: Cluster
    namespace: str
    secret: str

    def put(self, access: S3Access, ours: Collection[str]) -> bool:
        """Have the secret hold this key; return whether that changed it.

        Raises:
            HabariError: it is not there, or holds a key that is not among `ours`.
        """
        held = self.cluster.secret(self.namespace, self.secret)
        if held.get(ID) not in ours:
            seen = f"holds {held[ID]}" if held.get(ID) else "without a key, or not there"
            raise HabariError(
                f"Secret {self.secret} of {self.namespace}: {seen}, not one of"
                f" {', '.join(sorted(ours))}.",
                f"kubectl --context {self.cluster.context} --namespace {self.namespace} get secret"
                f" {self.secret}",
                USAGE,
            )
        new = {**held, ID: access.access_key_id, SECRET: access.secret_access_key}
        return self.cluster.keep_secret(self.namespace, self.secret, new)

    def without(self, key_id: str) -> list[str]:
        """Return whose servers run with another key, each asked itself; also who did not tell."""
        pods = self.cluster.raw_pods(self.namespace, SERVERS)
        return sorted(
            (pod.metadata.annotations or {}).get(USER_ANNOTATION, pod.metadata.name)
            for pod in pods
            if self._key_of(pod) != key_id
        )

    def _key_of(self, pod: Any) -> str:
        container = pod.spec.containers[0].name
        out = io.BytesIO()
        try:
            execute(
                Pod(self.cluster, self.namespace, pod.metadata.name, container),
                ["printenv", ID],
                into=out,
            )
        except HabariError:  # about to start, or to end
            return ""
        return out.getvalue().decode(errors="replace").strip()
