"""Whether a store honours conditional writes, and what is done where it does not.

It is asked on the first save: an empty object of a name that nobody has, to be written only over a
version that does not exist. A store that honours conditions refuses, and nothing was written; one
that takes it ignores them, and the object is deleted again. Where nothing may be is asked with the
first new file, by writing such an object twice: Ceph ignores that in releases that hold the other.
"""

from __future__ import annotations

from typing import Any

from habari_contents import errors
from habari_contents.bucket import Bucket, send
from habari_contents.content import Fingerprint
from habari_contents.types import Condition, ETag

UNKNOWN_CONDITION = errors.NOT_IMPLEMENTED | {"InvalidArgument", "InvalidRequest"}
NO_VERSION = ETag("0" * 32)


class ConditionalWrites:
    """Whether the conditions of one folder's saves are held by its store or by a look before."""

    def __init__(self, bucket: Bucket, log: Any) -> None:
        self._bucket = bucket
        self._log = log
        # By what a condition is: over one version, or where nothing is; None while it is unknown.
        self._supported: dict[bool, bool | None] = {}

    async def condition_to_send(self, key: str, path: str, condition: Condition) -> Condition:
        """The condition to send; where the store ignores it, it is looked at here instead.

        Raises 404 or 409 if it does not hold, 503 or 504 if S3 does not answer (nothing is sent).
        """
        for absent in sorted({False, condition.absent}):
            if self._supported.get(absent) is None and self._supported.get(False) is not False:
                self._supported[absent] = await self._probe(path, absent=absent)
        if False not in {self._supported[False], self._supported.get(condition.absent)}:
            return condition
        now = await self._bucket.head(key, path)
        if condition.etag and now is None:
            raise errors.not_found(path)
        if now is not None and (
            condition.absent or (condition.etag and condition.etag != now.etag)
        ):
            raise errors.version_conflict(path)
        return Condition()

    async def _probe(self, path: str, *, absent: bool) -> bool | None:
        """What the store does; None if it did not let itself be asked (no right to, say)."""
        bucket, key = self._bucket, self._bucket.probe_key()
        held = Condition(absent=True) if absent else Condition(etag=NO_VERSION)
        try:
            async with bucket.request(path, bucket.deadlines.confirm) as client:
                try:
                    if absent:
                        await self._put_probe(client, key, Condition())
                    await self._put_probe(client, key, held)
                    refused = False
                except Exception as error:
                    if errors.error_code(error) in errors.CONFLICT | errors.MISSING:
                        refused = True
                    elif errors.error_code(error) in UNKNOWN_CONDITION:
                        refused = False
                    else:
                        raise
                if absent or not refused:
                    await client.delete_object(Bucket=bucket.name, Key=key)
        except errors.ContentsError as error:
            if error.status_code in {503, 504}:
                raise
            return None
        if not refused:
            self._log.warning(
                "%s: this S3 ignores conditional writes. Saves look at the file right before "
                "instead; two saves in the same moment are not told apart.",
                path.partition("/")[0],
            )
        return refused

    async def _put_probe(self, client: Any, key: str, held: Condition) -> None:
        # As a save has it: a bucket may refuse what is not encrypted, say.
        await send(
            client,
            "put_object",
            Bucket=self._bucket.name,
            Key=key,
            Body=b"",
            ContentMD5=Fingerprint.of(b"").content_md5,
            **self._bucket.write_parameters,
            **held.headers(),
        )
