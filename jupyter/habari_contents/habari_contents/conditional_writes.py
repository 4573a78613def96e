"""Whether a store honours conditional writes, and what is done where it does not.

It is asked on the first save: an empty object of a name that nobody has, to be written only over a
version that does not exist. A store that honours conditions refuses, and nothing was written; one
that takes it ignores them, and the object is deleted again.
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
        self.supported: bool | None = None

    async def condition_to_send(self, key: str, path: str, condition: Condition) -> Condition:
        """The condition to send; where the store ignores it, it is looked at here instead.

        Raises 404 or 409 if it does not hold, 503 or 504 if S3 does not answer (nothing is sent).
        """
        if self.supported is None:
            self.supported = await self._probe(path)
        if self.supported is not False:
            return condition
        now = await self._bucket.head(key, path)
        if condition.etag and now is None:
            raise errors.not_found(path)
        if now is not None and (
            condition.absent or (condition.etag and condition.etag != now.etag)
        ):
            raise errors.version_conflict(path)
        return Condition()

    async def _probe(self, path: str) -> bool | None:
        """What the store does; None if it did not let itself be asked (no right to, say)."""
        bucket, key = self._bucket, self._bucket.probe_key()
        try:
            async with bucket.request(path, bucket.deadlines.confirm) as client:
                try:
                    # As a save has it: a bucket may refuse what is not encrypted, say.
                    await send(
                        client,
                        "put_object",
                        Bucket=bucket.name,
                        Key=key,
                        Body=b"",
                        ContentMD5=Fingerprint.of(b"").content_md5,
                        IfMatch=str(NO_VERSION),
                        **bucket.write_parameters,
                    )
                except Exception as error:
                    if errors.error_code(error) in errors.CONFLICT | errors.MISSING:
                        return True
                    if errors.error_code(error) not in UNKNOWN_CONDITION:
                        raise
                else:
                    await client.delete_object(Bucket=bucket.name, Key=key)
        except errors.ContentsError as error:
            if error.status_code in {503, 504}:
                raise
            return None
        self._log.warning(
            "%s: this S3 ignores conditional writes. Saves look at the file right before instead; "
            "two saves in the same moment are not told apart.",
            path.partition("/")[0],
        )
        return False
