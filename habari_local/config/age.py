"""Age keys: found where SOPS looks for them, made, and used on the small key of a file.

https://age-encryption.org/v1; where SOPS looks: https://getsops.io/docs/usage/identities/age/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from habari_local.config.secrets import write_private
from habari_local.core.errors import USAGE, HabariError
from habari_local.core.paths import private_folder

SECRET = re.compile(r"^AGE-SECRET-KEY-1[A-Z0-9]+$", re.MULTILINE)
HINT = "habari-local config secret key"


def key_file(environ: Mapping[str, str]) -> Path:
    """Return the file of our keys, which may not be there."""
    named = environ.get("SOPS_AGE_KEY_FILE")
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(named or f"{home}/sops/age/keys.txt").expanduser()


def own(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return our public key and whether it was made now: the file's first, or a new one's.

    Raises:
        HabariError: what is in the file is no key.
    """
    from pyrage import x25519

    path = key_file(environ)
    if path.is_file():
        return str(_identities(environ)[0].to_public()), False
    made = x25519.Identity.generate()
    public = str(made.to_public())
    if not path.parent.is_dir():
        private_folder(path.parent)
    write_private(path, f"# public key: {public}\n{made}\n")
    return public, True


def wrapped(key: bytes, recipients: Iterable[str]) -> dict[str, str]:
    """Return a key encrypted for each recipient alone, as text: public key → text.

    Raises:
        HabariError: one of them is no public key of age.
    """
    import pyrage

    found = {}
    for each in recipients:
        try:
            recipient = pyrage.x25519.Recipient.from_str(each)
        except pyrage.RecipientError:
            raise HabariError(
                f"Key {each}: no public key of age, age1… was expected.", HINT, USAGE
            ) from None
        found[each] = pyrage.encrypt(key, [recipient], armored=True).decode()
    return found


def unwrapped(texts: Sequence[str], environ: Mapping[str, str]) -> bytes:
    """Return the key that one of our keys opens.

    Raises:
        HabariError: there is none of ours, or none that opens it.
    """
    import pyrage

    identities = _identities(environ)
    for text in texts:
        try:
            return bytes(pyrage.decrypt(text.encode(), identities))
        except pyrage.DecryptError:
            continue
    raise HabariError(
        f"Secrets: none of our {len(identities)} age keys opens them, one of those for whom they"
        " were encrypted was expected.",
        "habari-local config secret list",
    )


def _identities(environ: Mapping[str, str]) -> list[Any]:
    import pyrage

    path, text = key_file(environ), environ.get("SOPS_AGE_KEY", "")
    if path.is_file():
        text += "\n" + path.read_text(encoding="utf-8")
    try:
        found: list[Any] = [pyrage.x25519.Identity.from_str(e) for e in SECRET.findall(text)]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise HabariError(
            f"Age key: none in SOPS_AGE_KEY or {path}, one was expected.", HINT, USAGE
        )
    return found
