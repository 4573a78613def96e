"""Fill a data folder with many objects, by the service's parts: `python seed.py FOLDER COUNT`."""

from __future__ import annotations

import sys
from pathlib import Path

from habari_s3.entities import Entity
from habari_s3.journal import Journal
from habari_s3.moto_backend import MotoBackend


def main() -> None:
    """Write the bucket lake and COUNT objects of a kilobyte into FOLDER."""
    journal = Journal(Path(sys.argv[1]), "moto")
    backend = MotoBackend(journal.blobs)
    s3 = backend.s3.backend
    s3.create_bucket("lake", "us-east-1")
    touched = [Entity("bucket", "lake")]
    for number in range(int(sys.argv[2])):
        key = f"many/{number:05}"
        s3.put_object("lake", key, f"object {number} ".encode() * 100)
        touched.append(Entity("object", "lake", key))
    journal.save({entity: backend.read(entity) for entity in touched})
    journal.close()


main()
