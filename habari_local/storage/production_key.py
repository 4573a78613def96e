"""The IAM user of production and its key: made, kept in one private file, rotated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from habari_local.config.secrets import write_private
from habari_local.errors import HabariError
from habari_local.storage import policy
from habari_local.storage.bootstrap import KEYS_OF_A_USER, MISSING, POLICY, USER, error_code
from habari_local.storage.production import Difference
from habari_local.storage.target import Buckets, S3Access

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

ID, SECRET, RETIRING = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "# retiring "


@dataclass(frozen=True)
class KeyFile:
    """The file with the key, as `kubectl create secret --from-env-file` reads it.

    The id of the key that is on its way out stands in the same file, so that no kill can leave one
    written without the other.
    """

    path: Path

    def read(self) -> tuple[S3Access | None, str]:
        """Return the key, None if there is none, and the id of the one to retire or ""."""
        if not self.path.is_file():
            return None, ""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        retiring = [line.removeprefix(RETIRING) for line in lines if line.startswith(RETIRING)]
        if ID not in values or SECRET not in values:
            raise HabariError(
                f"{self.path}: without {ID} and {SECRET}, a key was expected.",
                f"mv {self.path} {self.path}.broken && habari-local s3 check",
            )
        return S3Access(values[ID], values[SECRET]), retiring[0] if retiring else ""

    def write(self, access: S3Access, retiring: str = "") -> None:
        """Keep the key, and what it takes the place of."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        last = f"{RETIRING}{retiring}\n" if retiring else ""
        pair = f"{ID}={access.access_key_id}\n{SECRET}={access.secret_access_key}\n"
        write_private(self.path, pair + last)


def differences(iam: IAMClient, buckets: Buckets, file: KeyFile) -> list[Difference]:
    """Return what user, policy and key lack, in the order in which it can be made."""
    there = _asked(lambda: iam.get_user(UserName=USER)) is not None
    found = []
    if not there:
        cure: Callable[[], Any] = lambda: iam.create_user(UserName=USER)  # noqa: E731
        found.append(Difference(f"IAM user {USER}", "not there", "one", cure))
    answer = _asked(lambda: iam.get_user_policy(UserName=USER, PolicyName=POLICY))
    document = answer["PolicyDocument"] if answer else None
    if isinstance(document, str):
        document = json.loads(unquote(document))
    if document != policy.document(buckets):
        seen = "another" if document else "not there"
        cure = lambda: iam.put_user_policy(  # noqa: E731
            UserName=USER, PolicyName=POLICY, PolicyDocument=policy.text(buckets)
        )
        found.append(Difference(f"policy {POLICY}", seen, "the one for the two buckets", cure))
    access, _ = file.read()
    ids = key_ids(iam) if there else []
    if access is None or access.access_key_id not in ids:
        seen = f"{access.access_key_id}, which IAM does not know" if access else "none"
        wanted = "a key of the user"
        found.append(Difference(f"{file.path}", seen, wanted, lambda: file.write(_new_key(iam))))
    return found


def key_ids(iam: IAMClient) -> list[str]:
    """Return the ids of the user's keys."""
    return [k["AccessKeyId"] for k in iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]]


def last_used(iam: IAMClient, key_id: str) -> datetime | None:
    """Return when IAM last saw a key used; it tells minutes late, None if never."""
    seen = iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
    return seen.get("LastUsedDate")


def hand_over(iam: IAMClient, file: KeyFile) -> tuple[S3Access, str]:
    """Make a new key and keep it in the file; return it and the id of the old one, good still.

    Called again after it was killed, it goes on: a key that was made and never written down is of
    no use to anybody and goes; a rotation that is under way is not begun a second time.
    """
    old, retiring = file.read()
    ids = key_ids(iam)
    if old is None or old.access_key_id not in ids:
        raise HabariError(
            f"{file.path}: holds no key of the IAM user {USER}, the one to rotate was expected.",
            "habari-local s3 bootstrap --backend aws",
        )
    if retiring:
        return old, retiring
    for lost in ids:
        if lost != old.access_key_id and len(ids) >= KEYS_OF_A_USER:
            _drop_unused(iam, lost)
    new = _new_key(iam)
    file.write(new, old.access_key_id)
    return new, old.access_key_id


def retire(iam: IAMClient, file: KeyFile, old: str) -> None:
    """Delete the old key, then forget that it was to go; deleted already is good too."""
    access, _ = file.read()
    if access is None or access.access_key_id == old:
        raise HabariError(
            f"{file.path}: its key is the one to retire, a new one was expected.",
            "habari-local s3 check",
        )
    _asked(lambda: iam.delete_access_key(UserName=USER, AccessKeyId=old))
    file.write(access)


def _new_key(iam: IAMClient) -> S3Access:
    ids = key_ids(iam)
    if len(ids) >= KEYS_OF_A_USER:
        raise HabariError(
            f"IAM user {USER}: has {len(ids)} keys, none of them in our file; room for one was"
            " expected.",
            f"aws iam delete-access-key --user-name {USER} --access-key-id {ids[0]}",
        )
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return S3Access(key["AccessKeyId"], key["SecretAccessKey"])


def _drop_unused(iam: IAMClient, key_id: str) -> None:
    used = last_used(iam, key_id)
    if used:
        raise HabariError(
            f"IAM user {USER}: a second key {key_id} that this checkout did not make was used"
            f" {used:%Y-%m-%d %H:%M}, one key was expected.",
            f"aws iam delete-access-key --user-name {USER} --access-key-id {key_id}",
        )
    iam.delete_access_key(UserName=USER, AccessKeyId=key_id)


def _asked(ask: Callable[[], Any]) -> Any:
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error_code(error) not in MISSING:
            raise
        return None
