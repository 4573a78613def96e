"""Taking secrets out of text that leaves this machine: the known, and what looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "[hidden]"
LEAST = 6  # characters: shorter values are words, not secrets
# In addresses, headers and assignments, whoever's they are.
LOOKS_SECRET = re.compile(
    r"(?i)((?:[?&\"' ]|^)[\w-]*(?:token|secret|password|passwd|signature|credential|api_?key"
    r"|access_?key(?:_id)?|cookie|code|state)[\"']?\s*[=:]\s*[\"']?|\b(?:token|bearer|basic) +)"
    r"[\w.~+/=%|-]{6,}"
)
IN_ADDRESS = re.compile(r"(\w://[^/\s:@]*:)[^@/\s]+@")
GITHUB = re.compile(r"\bgh[a-z]_[\w.]+|\bgithub_pat_\w+|\bA(?:K|S)IA[A-Z0-9]{12,}")


class Redaction:
    """Hides these secrets, the longest first, and all that looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {each for each in secrets if len(each) >= LEAST}
        known |= {quote(each, safe="") for each in known}
        self._known = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        text = IN_ADDRESS.sub(rf"\1{HIDDEN}@", GITHUB.sub(HIDDEN, text))
        return LOOKS_SECRET.sub(rf"\1{HIDDEN}", text)
