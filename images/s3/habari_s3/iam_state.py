"""moto's IAM, which LocalStack uses too: its state as one entity, its keys, its policies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from moto.core.model_instances import model_data
from moto.iam.access_control import CreateAccessKeyFailure, IAMUserAccessKey
from moto.iam.models import AccountSummary, IAMBackend, Policy, iam_backends

from habari_s3 import policy_evaluation
from habari_s3.blobs import BlobStore
from habari_s3.entities import Snapshot
from habari_s3.snapshot_pickle import deserialize, serialize

PARTITION = "aws"
NOT_STATE = ("aws_managed_policies", "region_name", "account_id", "policy_arn_regex")


class IamState:
    """The IAM of one account: who there is, with which keys, allowed what."""

    def __init__(self, account: str, blobs: BlobStore) -> None:
        self.account = account
        self._blobs = blobs
        self._iam: IAMBackend = iam_backends[account][PARTITION]

    def read(self) -> Snapshot:
        """Return what memory holds of IAM."""
        parts = {k: v for k, v in vars(self._iam).items() if not isinstance(v, AccountSummary)}
        for name in NOT_STATE:
            parts.pop(name, None)
        aws_policies = {each.arn for each in self._iam.aws_managed_policies}
        policies = self._iam.managed_policies.items()
        parts["managed_policies"] = {k: v for k, v in policies if k not in aws_policies}
        known = {id(obj): name for name, obj in self._shared_objects().items()}
        return Snapshot(*serialize(parts, _default_reduce, known))

    def write(self, snapshot: Snapshot | None) -> None:
        """Make memory hold `snapshot`, or an IAM in which nobody is."""
        if snapshot is None:
            IAMBackend.__init__(self._iam, self._iam.region_name, self._iam.account_id)
            return
        vars(self._iam).update(deserialize(snapshot.state, self._blobs, self._shared_objects()))
        aws_policies = {each.arn: each for each in self._iam.aws_managed_policies}
        self._iam.managed_policies.update(aws_policies)

    def secret(self, key_id: str) -> str | None:
        """Return the secret of a user's access key, None if there is no such key."""
        try:
            return str(self._key(key_id).create_credentials().secret_key)
        except CreateAccessKeyFailure:
            return None

    def first_denied(
        self, key_id: str, permissions: Iterable[tuple[str, str]]
    ) -> tuple[str, str] | None:
        """Return the first (action, resource) that the policies of a key's owner do not allow."""
        policies: list[Any] = self._key(key_id).collect_policies()
        return policy_evaluation.first_denied(map(_document, policies), permissions)

    def _key(self, key_id: str) -> IAMUserAccessKey:
        return IAMUserAccessKey(self.account, PARTITION, key_id, {})

    def _shared_objects(self) -> dict[str, Any]:
        policies = {each.arn: each for each in self._iam.aws_managed_policies}
        return {"iam": self._iam, **policies}


def disable_instance_tracking() -> None:
    """Have moto not keep every object that ever was for its dashboard, memory without end."""
    for kinds in model_data.values():
        for kind in kinds.values():
            kind.instances_tracked = deque(maxlen=0)  # type: ignore[attr-defined]


def _document(policy: Any) -> str:
    """Return the JSON of a policy: an attached one has versions, a user's own is a dictionary."""
    if isinstance(policy, Policy):
        return str(next(each.document for each in policy.versions if each.is_default))
    return str(policy if isinstance(policy, str) else policy["policy_document"])


def _default_reduce(_obj: object) -> Any:
    return NotImplemented
