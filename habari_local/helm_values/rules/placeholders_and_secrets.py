"""What must not stand in values any more: placeholders, and secrets that can be read."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from habari_local.core.secret_formats import (
    RANDOM,
    assigned,
    has_token,
    is_random,
    is_reference,
    is_secret_name,
)
from habari_local.helm_values.rules import hub_settings
from habari_local.helm_values.values import Data, Place, leaves, name_at

# Those of config.dist.yaml; a test holds that it has no others.
PLACEHOLDER = re.compile(
    r"(?<![\w.-])([A-Z]+\.EXAMPLE\.ORG|GITHUB-[A-Z-]*[A-Z]|HABARI-[A-Z]+|TAG)(?![\w-])"
)
# What examples say where people put their own.
BLANK = re.compile(
    r"<[^<>\n=]{2,60}[^/<>\n]>|(change|replace)[-_ ]?(me|this)|todo|fixme|your[-_ ][a-z_ -]{2,40}",
    re.IGNORECASE,
)
# Places of secrets whose names say nothing.
PLACES: tuple[Place, ...] = (
    ("hub", "config", "CryptKeeper", "keys"),
    ("proxy", "https", "manual", "key"),
)
# Maps from a token to whom it is of.
TOKENS: tuple[Place, ...] = tuple(
    ("hub", "config", "JupyterHub", name) for name in ("api_tokens", "service_tokens")
)
# Names of a secret, or of something in one; and annotations, which hold no values of their own.
REFERENCES = {"existingSecret", "pullSecret", "imagePullSecret", "secretKeyRef", "secretRef"}
ANNOTATIONS = re.compile(r"annotations$", re.IGNORECASE)
# Random texts that are known to everybody.
PUBLIC = re.compile(
    r"(sha\d*|digest|hash|checksum|commit|rev|ref|tag|id|image|cert|ca|pub|public_?key)s?$",
    re.IGNORECASE,
)
ENCRYPTED = re.compile(r"^ENC\[AES256_GCM,")
BASIC = re.compile(r"(?:[Bb]asic\s+|\"auth\":\s*\")([A-Za-z0-9+/]{8,}={0,2})")
ALLOWED = "pragma: allowlist secret"  # the comment that detect-secrets and others know
SAYS = "a secret in plain text, a Kubernetes secret or sops was expected"


def placeholders(data: Data) -> Iterator[tuple[Place, str]]:
    """Each is a question that was not answered."""
    for place, value in leaves(data):
        for found in dict.fromkeys(PLACEHOLDER.findall(value if isinstance(value, str) else "")):
            yield place, f"the placeholder {found} is left, your value was expected"
        if isinstance(value, str) and BLANK.fullmatch(value.strip()):
            yield place, "an example's placeholder is left, your value was expected"


def plain_secrets(data: Data) -> Iterator[tuple[Place, str]]:
    """Values are committed, sent and shown by helm; secrets come from elsewhere."""
    for place, value in leaves(data):
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not text.strip() or ENCRYPTED.match(text):
            continue
        if PLACEHOLDER.search(text) and "\n" not in text:
            continue
        if place[:4] in TOKENS and len(place) == 5:  # its key is the token
            yield place[:4], SAYS
            continue
        name, plain = name_at(data, place), "\n" not in text and " " not in text.strip()
        if _is_secret(place, name) and (plain or len(text) < 200) and not is_reference(text):
            if len(text) > 3 or isinstance(value, str):
                yield place, SAYS
        elif isinstance(value, str):
            yield from ((place, says) for says in _in_text(place, name, value))


def _in_text(place: Place, name: str, text: str) -> Iterator[str]:
    """Yield what a text gives away; the lines that somebody allowed are left out."""
    random = not (PUBLIC.search(name) or _annotates(place))
    rows = [row for row in text.splitlines() if ALLOWED not in row]
    shown = "\n".join(rows)
    if has_token(shown) or _has_basic(name, shown) or (random and is_random(text.strip())):
        yield SAYS
        return
    if place[:2] == hub_settings.CODE:
        for key, value in hub_settings.literals(shown):
            named = is_secret_name(key) and len(value) > 3 and not is_reference(value)
            if named or (is_random(value) and not PUBLIC.search(key)):
                yield f"{SAYS} (given to {key})"
                return
        return
    for line, key, _ in assigned(shown) if len(shown) > 12 else ():
        where = f" in line {line} of the text" if "\n" in text else ""
        yield f"{SAYS} ({key}{where})"
        return
    if any(map(is_random, RANDOM.findall(shown))) and _is_run(place):
        yield SAYS


def _has_basic(name: str, text: str) -> bool:
    """Whether a text has a name and password in base64, as HTTP and docker's config.json do."""
    found = BASIC.findall(text) + ([text.strip()] if name == "auth" else [])
    for each in found:
        try:
            opened = b64decode(each, validate=True).decode("ascii")
        except ValueError:
            continue
        if re.fullmatch(r"[^\s:]+:\S{4,}", opened):
            return True
    return False


def _is_run(place: Place) -> bool:
    """Whether a text is a command or its variable, which need no random text but for secrets."""
    return bool({"command", "args", "cmd", "extraEnv", "environment", "env"} & set(place))


def _annotates(place: Place) -> bool:
    return any(ANNOTATIONS.search(each) for each in place if isinstance(each, str))


def _is_secret(place: Place, name: str) -> bool:
    names = tuple(each for each in place if isinstance(each, str))
    if REFERENCES & set(names) - {"imagePullSecret"} or name in REFERENCES:
        return False
    if _annotates(place):
        return False
    return names in PLACES or is_secret_name(name)


def allowed_in(text: str, line: int) -> bool:
    """Whether a comment in a line, or alone in the one above it, allows a secret there."""
    rows: list[Any] = ["", *text.splitlines()]
    if not 0 < line < len(rows):
        return False
    above = rows[line - 1].strip()
    return ALLOWED in rows[line] or (above.startswith("#") and ALLOWED in above)
