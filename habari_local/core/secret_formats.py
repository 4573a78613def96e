"""What secrets look like: formats of tokens, names that secrets are given, and randomness.

One list for what is refused (`config check`) and for what is hidden (reports and bundles).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

# Who issues tokens that are known by their form, and the form.
FORMATS = {
    "GitHub": r"\bgh[oprsu]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{20,}",
    "AWS": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7][A-Z0-9]{15}\b",
    "GitLab": r"\bgl(?:pat|ptt|dt|rt|cbt|agent|soat|ft|imt)-[\w-]{20,}",
    "Google": r"\bAIza[\w-]{35}|\bGOCSPX-[\w-]{20,}|\bya29\.[\w-]{20,}",
    "Slack": r"\bxox[abeoprs]-[\w-]{10,}|\bhttps://hooks\.slack\.com/services/T\w+/B\w+/\w+",
    "OpenAI or Anthropic": r"\bsk-(?:ant-|proj-|svcacct-)?[A-Za-z0-9][\w-]{30,}",
    "Stripe": r"\b[rs]k_(?:live|test)_\w{10,}",
    "SendGrid": r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    "Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "npm": r"\bnpm_[A-Za-z0-9]{36}",
    "PyPI": r"\bpypi-AgE[\w-]{20,}",
    "Docker": r"\bdckr_(?:pat|oat)_[\w-]{20,}",
    "DigitalOcean": r"\bdo[opr]_v1_[0-9a-f]{20,}",
    "Vault": r"\bhv[bs]\.[\w-]{20,}",
    "age": r"\bAGE-SECRET-KEY-1[0-9A-Z]{20,}",
    "Azure": r"\bAccountKey=[\w+/]{40,}={0,2}|\bSharedAccessKey=[\w+/]{30,}|[?&]sig=[\w%]{30,}",
    "an HTTP header": r"\b[Bb](?:earer|asic) +(?=[^\s\"']*\d)[\w.~+/-]{12,}=*",
    "Docker's configuration": r"\"auth\"\s*:\s*\"[\w+/]{12,}={0,2}\"",
    "a JSON web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
    "a private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    "a password in an address": r"\w://[^/\s:@\"'<>]*:(?![$<{%]|\*+@)[^/\s@\"'<>]+@",
}
TOKEN = re.compile("|".join(FORMATS.values()))
# Ends of names whose values are secrets wherever they stand.
NAME = re.compile(
    r"(?:secret|secret_?token|password|passwd|passphrase|token|credential"
    r"|(?:api|access|secret|private|signing|encryption|crypt|account|storage|auth)_?keys?"
    r"|(?:^|_)pass|(?:^|_)pwd)$",
    re.IGNORECASE,
)
# NAME=VALUE, NAME: VALUE and --name VALUE in texts of any language.
ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]{0,60}?(?:secret|token|password|passwd|passphrase|pwd|"
    r"(?:api|access|secret|private|signing|encryption|crypt|account|auth)[_-]?key))"
    r"[\"'\])]*\s*(?:=>|:=|=|:|(?<=\w)\s(?=\S))\s*(?P<quote>[\"']?)(?P<value>[^\s\"'`;,&|<>(){}$\[\]]+)",
    re.IGNORECASE,
)
RANDOM = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w+/=.-])")
ENTROPY = 4.2  # bits a character, that words and identifiers do not reach


def has_token(text: str) -> bool:
    """Whether a text has a token in it that is known by its form."""
    return bool(TOKEN.search(text))


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret."""
    return bool(NAME.search(name.replace("-", "_")))


def is_random(text: str) -> bool:
    """Whether a text is as random as keys are: 32 bytes as hexadecimal digits, or base64."""
    if re.fullmatch(r"[0-9a-f]{64}|[0-9A-F]{64}", text):
        return len(set(text)) > 8
    if not RANDOM.fullmatch(text) or text.startswith(("/", "AAAA")):  # a public key of SSH
        return False
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(map(kind, text)) for kind in kinds) and entropy(text) >= ENTROPY


def entropy(text: str) -> float:
    """Return Shannon's entropy, in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def assigned(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line (from 1), name and value of what a text gives to a secret's name.

    Words that anybody would read as words are none: a value has a digit or is quoted.
    """
    for found in ASSIGNED.finditer(text):
        value = found["value"]
        if len(value) < 6 or is_reference(value):
            continue
        if found["quote"] or (any(map(str.isdigit, value)) and len(value) >= 8):
            yield text.count("\n", 0, found.start()) + 1, found["name"], value


def is_reference(value: str) -> bool:
    """Whether a value only says where a secret is: a variable, a file, a call, nothing at all."""
    return bool(REFERENCE.match(value)) or not set(value) - set("*xX.-_ ")


REFERENCE = re.compile(
    r"\$|%\(|\{|<|/|\.{1,2}/|~/|file:|env:|vault:|ref\+|arn:|projects/|https?://[^:@]*$|os\.|self\."
    r"|c\.|get_|config\.|spawner\.|(?:true|false|none|null|yes|no|required|optional)$",
    re.IGNORECASE,
)
