"""A small data set that a new lake begins with, so that a first notebook has something to read."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING

from habari_local.s3.s3_client import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "samples/rainfall.csv"
STATIONS = ("Nairobi", "Mombasa", "Kisumu", "Nakuru")
# Millimetres of rain by month, roughly as in Kenya's highlands: two rainy seasons.
SEASONS = (55, 50, 95, 200, 155, 40, 20, 25, 30, 60, 150, 95)


def rainfall() -> bytes:
    """Return the data set: made up, always the same, one line a station and month of five years."""
    chance = random.Random(20)  # noqa: S311 (sample data, not a secret)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["station", "year", "month", "rain_mm"])
    for station in STATIONS:
        wetness = chance.uniform(0.7, 1.3)
        for year in range(2021, 2026):
            for month, mean in enumerate(SEASONS, 1):
                rain = max(0.0, chance.gauss(mean, mean / 3)) * wetness
                rows.writerow([station, year, month, f"{rain:.1f}"])
    return text.getvalue().encode()


def put(s3: S3Client, lake: str) -> None:
    """Write the data set into a lake that was just made; an object of that name stays."""
    from botocore.exceptions import ClientError

    try:
        s3.put_object(
            Bucket=lake, Key=KEY, Body=rainfall(), ContentType="text/csv", IfNoneMatch="*"
        )
    except ClientError as error:
        if error_code(error) != "PreconditionFailed":
            raise
