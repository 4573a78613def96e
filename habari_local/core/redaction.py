"""Text and values without secrets: what is one by name or look, and ours in every form.

`diff`, `plan`, `bundle`, `gate` and the reports go through this. What secrets look like is in
`secret_formats`, which production's values are checked by; here is what is hidden beyond that.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from habari_local.core.secret_formats import TOKEN, is_secret_name

HIDDEN = "[hidden]"
LEAST = 6  # characters: shorter values of ours are words, not secrets
PIECE = 16  # characters of a secret in a row that are taken for a part of it
SPLIT = 12  # characters of a secret that is looked for in several parts
# Words that names of secrets in texts end with: more than those that a value may not have, since
# what is hidden by mistake does no harm.
_WORDS = (
    r"secret|token|password|passwd|passphrase|_pwd|credentials?|signature|cookie|authorization"
    r"|code_verifier|xsrf"
    r"|(?:api|access|secret|private|signing|encryption|crypt|tls|ssl)[-_.]?key(?:[-_]?id)?"
)
NAME = re.compile(
    r"(?i)(?:signature|cookie|authorization|xsrf|(?:tls|ssl)[._-]key|(?:^|_)(gh|pat))$"
)
PLACES = (("CryptKeeper", "keys"), ("manual", "key"))
NO_SECRETS = {"existingSecret", "pullSecret"}

_KINDS = ("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")
_HEADERS = [f"-----BEGIN {kind}PRIVATE KEY".encode() for kind in _KINDS]
_IN_BASE64 = "|".join(base64.b64encode(e[: len(e) // 3 * 3]).decode() for e in _HEADERS)
# What is a secret by its look, whatever its name is.
LOOKS = (
    re.compile(
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
        r"(?:.{0,20000}?-----END (?:[A-Z]+ )*PRIVATE KEY-----"
        r"|(?:(?:\s|\\+[nr]|[\"'+,])*[A-Za-z0-9+/=]{16,})*)",
        re.DOTALL,
    ),
    re.compile(rf"(?:{_IN_BASE64})[A-Za-z0-9+/=]*"),
    re.compile(r"AGE-(?:SECRET-KEY|PLUGIN)-[A-Z0-9-]+"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"),  # a JSON Web Token
    re.compile(r"\bgh[a-z]_\w[\w.]{5,}"),  # the fake GitHub's have a dot
    re.compile(r"\bA(?:K|S)IA[A-Z0-9]{12,}"),
)
# The same where only a part is the secret: a password in an address, with its scheme or without.
IN_ADDRESS = (
    re.compile(r"(\w://[^/\s:@\"'<>]*:)[^/\s\"'<>]+@"),
    re.compile(
        r"((?<![\w./:@-])[A-Za-z_][\w.+-]*:)(?!//)[^\s/@:\"'<>,]{3,}@(?!sha\d+:)"
        r"(?=[A-Za-z\[]|\d+\.\d+\.\d+\.\d)"
    ),
)
_QUOTE = r"\\*[\"']"
_ASSIGNED = re.compile(
    rf"(?i)((?<![\w.-])[\w.-]*?(?:{_WORDS}|(?<![a-z])gh)(?:{_QUOTE})?\s*(?:=>|[=:])\s*)"
    rf"(?:({_QUOTE})(?:(?!\2).)+|(?!{_QUOTE}|\[hidden\]|(?:true|false|null|none)\b)[^\s&,;\"'\\]{{4,}})"
)
PARAMETER = re.compile(r"([?&](?:code|state|token|_xsrf)=)[^&\s\"'<>]+")
_ANSWER = re.compile(
    rf"((?:[\"' ]|^)(?:code|state)=)[\w.~+/=%|-]{{6,}}"
    rf"|({_QUOTE}(?:code|state){_QUOTE}\s*:\s*{_QUOTE})[\w.~+/=%|-]{{16,}}"
)
_HEADER = re.compile(
    rf"(?i)(\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-xsrftoken)(?:{_QUOTE})?\s*[:=]\s*"
    rf"(?:{_QUOTE})?)[^\"'\n\\]+"
)
_SCHEME = re.compile(r"(?i)(\b(?:token|bearer|basic) +)[\w.~+/=%|-]{6,}")


def names_secret(place: Sequence[str]) -> bool:
    """Whether what stands at a place, the names from the outside in, is a secret by its name."""
    place = [each for each in place if not each.startswith("[")]  # an item of a list
    *_, last = ("", *place)
    if last == "value":  # of a variable, which stands under its name
        return names_secret(place[:-1])
    if "secretKeyRef" in place or last in NO_SECRETS:
        return False
    return tuple(place[-2:]) in PLACES or is_secret_name(last) or bool(NAME.search(last))


class Redaction:
    """Hides these secrets, in any form that they are written in, and all that looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {each for each in secrets if len(each) >= LEAST}
        forms = {form for each in known for form in _forms(each)}
        self._forms = sorted(forms, key=len, reverse=True)
        self._pieces = {
            form[at : at + PIECE] for form in forms for at in range(len(form) - PIECE + 1)
        }
        between = r"(?:[\s\"'\\+,]|\\[nrt])*"
        self._split = [
            re.compile(between.join(map(re.escape, each)))
            for each in sorted(known)
            if len(each) >= SPLIT
        ]

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        text = self.without_known(text)
        for pattern in LOOKS:
            text = pattern.sub(HIDDEN, text)
        for pattern in IN_ADDRESS:
            text = pattern.sub(rf"\1{HIDDEN}@", text)
        text = TOKEN.sub(HIDDEN, text)
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
        for pattern in (PARAMETER, _SCHEME):
            text = pattern.sub(rf"\1{HIDDEN}", text)
        text = _ANSWER.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
        return _ASSIGNED.sub(lambda found: f"{found[1]}{found[2] or ''}{HIDDEN}", text)

    def without_known(self, text: str) -> str:
        """Return `text` without these secrets; what looks like another stays."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        for pattern in self._split:
            text = pattern.sub(HIDDEN, text)
        return re.sub(rf"[^\s\"'<>]{{{PIECE},}}", self._without_pieces, text)

    def _without_pieces(self, word: re.Match[str]) -> str:
        found, kept, end = word[0], [], 0
        for at in range(len(found) - PIECE + 1):
            if found[at : at + PIECE] in self._pieces:
                if at >= end:
                    kept += [found[end:at], HIDDEN]
                end = at + PIECE
        return "".join([*kept, found[end:]])


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is written: itself, in an address, in JSON, in base64 and in hex."""
    data = secret.encode()
    yield secret
    once = quote(secret, safe="")
    yield from (once, quote(once, safe=""), quote(secret), quote(secret, safe="~!*'()"))
    yield json.dumps(secret)[1:-1]
    yield data.hex()
    for before in range(3):  # characters that come first move the rest: user:password
        kept = (before * 8 + 5) // 6 if before else 0
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + data).decode()
            whole = text if (before + len(data)) % 3 == 0 else text.rstrip("=")[:-1]
            yield whole[kept:]
