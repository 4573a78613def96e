"""A folder that has more objects than anybody stores for a test: what is in it is computed."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from .message import Answer, Habit, Request

PAGE = 1000
WHEN = "2026-01-02T03:04:05.000Z"


class _Keys(Sequence[str]):
    """The keys in their order, none of which is there before it is asked for."""

    def __init__(self, folder: str, count: int) -> None:
        self._folder, self._count, self._width = folder, count, len(str(count - 1))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number):
        if not 0 <= number < self._count:
            raise IndexError(number)
        return f"{self._folder}{number:0{self._width}}.csv"


class LargeFolder(Habit):
    """`folder` has `count` objects, listed as AWS lists: pages of 1,000 in order, opaque tokens.

    All else is what the store has. Of a page that is asked for, nothing is kept.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """

    def __init__(self, folder: str, count: int) -> None:
        self.folder, self.keys = folder, _Keys(folder, count)
        self.pages = 0

    def request(self, request: Request) -> Request | Answer:
        path, _, asked = request.target.partition("?")
        query = dict(parse_qsl(asked, keep_blank_values=True))
        if request.method != "GET" or query.get("list-type") != "2":
            return self._object(request, unquote(path).lstrip("/").partition("/")[2])
        prefix = query.get("prefix", "")
        first = bisect.bisect_left(self.keys, prefix)
        if not prefix.startswith(self.folder) or not self._begins(first, prefix):
            return request
        self.pages += 1
        return self._page(prefix, first, query)

    def _object(self, request: Request, key: str) -> Request | Answer:
        """One that is computed can be looked at and opened."""
        at = bisect.bisect_left(self.keys, key)
        known = at < len(self.keys) and self.keys[at] == key
        if not known or request.method not in {"GET", "HEAD"}:
            return request
        headers = {"etag": f'"{at:032x}"', "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
        return Answer(200, headers | {"content-length": "1", "content-type": "text/csv"}, b"x")

    def _page(self, prefix: str, first: int, query: dict[str, str]) -> Answer:
        token = query.get("continuation-token", "")
        if token:
            first = bisect.bisect_right(self.keys, base64.b64decode(token).decode())
        entries, last = 0, ""
        listed = []
        # No key has a slash behind the folder: a delimiter makes one prefix of all only before it.
        while entries < min(PAGE, int(query.get("max-keys", PAGE))):
            if not self._begins(first, prefix):
                break
            last = self.keys[first]
            listed.append(
                f"<Contents><Key>{quote(last)}</Key><LastModified>{WHEN}</LastModified>"
                f"<ETag>&quot;{first:032x}&quot;</ETag><Size>1</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
            first, entries = first + 1, entries + 1
        more = self._begins(first, prefix)
        following = base64.b64encode(last.encode()).decode() if more else ""
        told = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
            f"<Prefix>{escape(quote(prefix))}</Prefix><EncodingType>url</EncodingType>",
            f"<KeyCount>{entries}</KeyCount><MaxKeys>{PAGE}</MaxKeys>",
            f"<IsTruncated>{str(more).lower()}</IsTruncated>",
            f"<NextContinuationToken>{following}</NextContinuationToken>" if more else "",
            *listed,
            "</ListBucketResult>",
        ]
        return Answer(200, {"content-type": "application/xml"}, "".join(told).encode())

    def _begins(self, at: int, prefix: str) -> bool:
        return at < len(self.keys) and self.keys[at].startswith(prefix)
