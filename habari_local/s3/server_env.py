"""What users' servers are told of S3: the key, the buckets and the folders that they show."""

from __future__ import annotations

import json

from habari_local.config.settings import Settings
from habari_local.s3.s3_client import S3Access, S3Target


def server_environment(of: S3Target, settings: Settings, access: S3Access) -> dict[str, str]:
    """Return the variables of users' servers; `of` as the servers see it."""
    folders = {
        # A lake has data in it, and nothing that an editor leaves.
        "lake": {"bucket": settings.lake_bucket, "prefix": "", "checkpoints": "off"},
        "notebooks": {"bucket": settings.notebooks_bucket, "prefix": ""},
    }
    return {
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "AWS_DEFAULT_REGION": of.region,
        **({"AWS_ENDPOINT_URL": of.endpoint_url} if of.endpoint_url else {}),
        "HABARI_LAKE_BUCKET": settings.lake_bucket,
        "HABARI_NOTEBOOKS_BUCKET": settings.notebooks_bucket,
        "HABARI_CONTENTS_FOLDERS": json.dumps(folders),
    }
