"""Our age key: found where sops looks for it, or made there.

https://age-encryption.org/v1; where SOPS looks: https://getsops.io/docs/usage/identities/age/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from habari_local.config.secrets import write_private
from habari_local.core.errors import USAGE, HabariError
from habari_local.core.paths import private_folder

SECRET = re.compile(r"^AGE-SECRET-KEY-1[A-Z0-9]+$", re.MULTILINE)
HINT = "habari-local config secret key --help"


def key_file(environ: Mapping[str, str]) -> Path:
    """Return the file of our keys, which may not be there."""
    named = environ.get("SOPS_AGE_KEY_FILE")
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(named or f"{home}/sops/age/keys.txt").expanduser()


def own(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return our public key and whether it was made now: the first that sops finds, or a new one's.

    Raises:
        HabariError: what is in the file is no key.
    """
    from pyrage import IdentityError, x25519

    path, given = key_file(environ), environ.get("SOPS_AGE_KEY", "")
    if given or path.is_file():
        found = SECRET.search(given or path.read_text(encoding="utf-8"))
        try:
            return str(x25519.Identity.from_str(found[0] if found else "").to_public()), False
        except IdentityError:
            where = "SOPS_AGE_KEY" if given else path
            raise HabariError(
                f"Age key: none in {where}, AGE-SECRET-KEY-1… was expected.", HINT, USAGE
            ) from None
    made = x25519.Identity.generate()
    public = str(made.to_public())
    if not path.parent.is_dir():
        private_folder(path.parent)
    write_private(path, f"# public key: {public}\n{made}\n")
    return public, True
