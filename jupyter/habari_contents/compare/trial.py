"""One try of a loss: a contender, the store behind it, and a name that nothing else has."""

from __future__ import annotations

import uuid

import requests

from tests.faults import FaultProxy

from .contenders import BUCKETS, Contender
from .measures import NOTEBOOK, Figures, Watch, save, seconds


class Trial:
    """A contender, and a name that nothing else has."""

    def __init__(self, server: Contender, s3, proxy: FaultProxy, figures: Figures) -> None:
        self.server, self.s3, self.proxy, self.figures = server, s3, proxy, figures
        self.name = f"t{uuid.uuid4().hex[:8]}"

    def at(self, path: str, area: str = "lake") -> str:
        return self.server.at(area, path)

    def put(self, key: str, content: bytes = b"x", area: str = "lake") -> None:
        self.s3.put_object(Bucket=BUCKETS[area], Key=key, Body=content)

    def keys(self, prefix: str, bucket: str = BUCKETS["lake"]) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return [entry["Key"] for entry in found]

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKETS["lake"], Key=key)["Body"].read()

    def failing(self, mode: str) -> tuple[requests.Response | None, float, float]:
        """A save while S3 fails so: its answer, its seconds, how long the server stood still."""
        path, answers = self.at(f"{self.name}.ipynb"), []
        self.proxy.fail(mode)
        try:
            with Watch(self.server) as watch:
                passed = seconds(lambda: answers.append(save(self.server, path, NOTEBOOK)))
        except requests.RequestException:
            return None, float("inf"), watch.stall
        finally:
            self.proxy.heal()
        return answers[0], passed, watch.stall
