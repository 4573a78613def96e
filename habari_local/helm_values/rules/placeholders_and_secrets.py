"""What must not stand in values any more: placeholders, and secrets that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from habari_local.helm_values.values import Data, Place, leaves

# Those of config.dist.yaml; a test holds that it has no others.
PLACEHOLDER = re.compile(
    r"(?<![\w.-])([A-Z]+\.EXAMPLE\.ORG|GITHUB-[A-Z-]*[A-Z]|HABARI-[A-Z]+|TAG)(?![\w-])"
)
# Names of values that are secrets wherever they stand, and places of some with harmless names.
SECRET = re.compile(
    r"(secret|secret_?token|password|passwd|token|(api|access|secret|private|signing)_?key)$",
    re.IGNORECASE,
)
PLACES: tuple[Place, ...] = (
    ("hub", "config", "CryptKeeper", "keys"),
    ("proxy", "https", "manual", "key"),
)
NO_SECRETS = {"existingSecret", "pullSecret"}
# What is a secret by its look: a password in an address, a key as files have it, GitHub's tokens.
LOOKS = re.compile(r"://[^/\s:@]*:[^@/\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[opsu]_\w{20}")
ENCRYPTED = re.compile(r"^ENC\[AES256_GCM,")


def placeholders(data: Data) -> Iterator[tuple[Place, str]]:
    """Each is a question that was not answered."""
    for place, value in leaves(data):
        for found in dict.fromkeys(PLACEHOLDER.findall(value if isinstance(value, str) else "")):
            yield place, f"the placeholder {found} is left, your value was expected"


def plain_secrets(data: Data) -> Iterator[tuple[Place, str]]:
    """Values are committed, sent and shown by helm; secrets come from elsewhere."""
    for place, value in leaves(data):
        if not isinstance(value, str) or not value or ENCRYPTED.match(value):
            continue
        if PLACEHOLDER.search(value):
            continue
        if _names_a_secret(place) or LOOKS.search(value):
            yield place, "a secret in plain text, a Kubernetes secret or sops was expected"


def _names_a_secret(place: Place) -> bool:
    names = tuple(each for each in place if isinstance(each, str))
    if "secretKeyRef" in names or names[-1] in NO_SECRETS:
        return False
    return names in PLACES or bool(SECRET.search(names[-1]))
