"""Whose key makes the S3 of production: an administrator's, from the environment of one call."""

from __future__ import annotations

from collections.abc import Mapping

from habari_local.core.errors import USAGE, HabariError
from habari_local.s3.s3_client import S3Target

ID, SECRET, TOKEN, PROFILE = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
)


def administrator(environ: Mapping[str, str], endpoint_url: str, region: str) -> S3Target:
    """Return the S3 of production with the administrator's key.

    The key is none of the settings on purpose: what is in `.env` with the backend aws is what
    servers on this machine get, and they run what users type. By AWS's own names it comes from the
    environment, as a key or as the name of a profile (SSO, roles), and nothing keeps it.

    Raises:
        HabariError: the environment has neither, or no such profile.
    """
    if environ.get(ID) and environ.get(SECRET):
        key, secret, token = environ[ID], environ[SECRET], environ.get(TOKEN, "")
    elif environ.get(PROFILE):
        key, secret, token = _of_profile(environ[PROFILE])
    else:
        raise HabariError(
            f"Administrator's key: not in the environment, {ID} and {SECRET} or {PROFILE} were"
            " expected there (not in .env, whose key goes to servers of this machine).",
            f"{PROFILE}=NAME habari-local s3 check",
            USAGE,
        )
    return S3Target(endpoint_url or None, region, key, secret, session_token=token)


def _of_profile(name: str) -> tuple[str, str, str]:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session(profile_name=name).get_credentials()
        if found is not None:
            frozen = found.get_frozen_credentials()
            return frozen.access_key or "", frozen.secret_key or "", frozen.token or ""
        seen = "has no key"
    except BotoCoreError as error:
        seen = str(error).rstrip(".")
    raise HabariError(
        f"{PROFILE} {name}: {seen}, an administrator's key was expected.",
        "aws configure list-profiles",
    )
