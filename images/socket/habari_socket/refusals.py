"""Why a request goes no further, each with the status that tells so."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is not sent on; its text says what was seen and what may be."""

    status = 403


class Refused(Refusal):
    """It asks for something that the hub may not have."""


class Malformed(Refusal):
    """It can't be read in one way only."""

    status = 400


class Missing(Refusal):
    """What it is about isn't there."""

    status = 404
