"""The IAM user of production and its key: made, kept in one private file, rotated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from habari_local.core.errors import HabariError
from habari_local.s3 import policy
from habari_local.s3.bootstrap import KEYS_OF_A_USER, POLICY, USER
from habari_local.s3.key_file import Kept, KeyFile, Making
from habari_local.s3.production_buckets import Difference
from habari_local.s3.s3_client import MISSING, Buckets, S3Access, error_code

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

# AWS refuses requests of a clock that is further off, so a key that a call of ours made was made
# within this of the time that the call wrote down.
CLOCKS_DIFFER = timedelta(minutes=15)


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
    """Return what user, policy and key lack, in the order in which it can be made."""
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
            f"{holder.file.path}: holds no key of the IAM user {holder.name}, the one to rotate was"
            " expected.",
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
            f"{holder.file.path}: its key is the one to retire, a new one was expected.",
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
            f" {foreign}; room for one more was expected.",
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
