"""Files whose values are encrypted as SOPS does it, with age: what sops reads we write, and back.

The format (https://getsops.io/docs/): each value by AES-256-GCM with the file's own key and the
value's path, so that none can be moved; over all of them a digest, so that none can be taken away;
the file's key once for each recipient.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from habari_local.config import age
from habari_local.core.errors import HabariError, pasteable

META = "sops"
VERSION = "3.10.2"  # of the format
NONCE, TAG = 32, 16  # bytes
UNENCRYPTED = "_unencrypted"  # names that end so are left as they are
VALUE = re.compile(
    r"^ENC\[AES256_GCM,data:([^,]*),iv:([^,]+),tag:([^,]+),type:(str|int|float|bool|bytes)\]$"
)
Path = tuple[str, ...]
Leaf = Callable[[Any, Path], Any]


def is_encrypted(data: Any) -> bool:
    """Whether a file's data say that SOPS encrypted it."""
    return isinstance(data, Mapping) and isinstance(data.get(META), Mapping)


def recipients(data: Mapping[str, Any]) -> list[str]:
    """Return the public keys for whom a file is encrypted."""
    return [str(each["recipient"]) for each in data[META].get("age") or ()]


def decrypted(data: Mapping[str, Any], environ: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return the values of an encrypted file; `name` is what people know it by.

    Raises:
        HabariError: none of our keys opens it, or it was changed by something else than sops.
    """
    meta = data[META]
    key = age.unwrapped([str(each["enc"]) for each in meta.get("age") or ()], environ)
    digest = hashlib.sha512()

    def one(value: Any, path: Path) -> Any:
        found = value
        if _inside(path, meta) and isinstance(value, str) and value:
            found = _opened(value, key, _joined(path), name)
        if not meta.get("mac_only_encrypted") or found is not value:
            digest.update(_bytes(found))
        return found

    values: dict[str, Any] = _walked({k: v for k, v in data.items() if k != META}, (), one)
    told = _opened(str(meta.get("mac", "")), key, str(meta["lastmodified"]), name)
    if told != digest.hexdigest().upper() and not meta.get("mac_only_encrypted"):
        raise _broken(name, "its values are not those that were encrypted")
    return values


def encrypted(
    values: Mapping[str, Any], public: Sequence[str], *, now: datetime | None = None
) -> dict[str, Any]:
    """Return values as an encrypted file's data, with a new key for the recipients.

    Raises:
        HabariError: a recipient is no public key of age.
    """
    key, digest = secrets.token_bytes(32), hashlib.sha512()

    def one(value: Any, path: Path) -> Any:
        digest.update(_bytes(value))
        return _sealed(value, key, _joined(path)) if _inside(path, {}) else value

    data = _walked(values, (), one)
    when = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    held = age.wrapped(key, public)
    meta = {
        "age": [{"recipient": who, "enc": text} for who, text in held.items()],
        "lastmodified": when,
        "mac": _sealed(digest.hexdigest().upper(), key, when),
        "unencrypted_suffix": UNENCRYPTED,
        "version": VERSION,
    }
    return {**data, META: meta}


def places(data: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where values stand, without those of the file's own keys."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if path or name != META:
                yield from places(value, (*path, str(name)))
    elif path:
        yield path


def _walked(node: Any, path: Path, one: Leaf) -> Any:
    """Return a tree with `one` done to each value, in the file's order; lists add no path."""
    if isinstance(node, Mapping):
        return {str(name): _walked(value, (*path, str(name)), one) for name, value in node.items()}
    if isinstance(node, list):
        return [_walked(value, path, one) for value in node]
    return None if node is None else one(node, path)


def _inside(path: Path, meta: Mapping[str, Any]) -> bool:
    """Whether a value at this path is among those that are encrypted."""
    if meta.get("encrypted_regex"):
        return any(re.search(str(meta["encrypted_regex"]), name) for name in path)
    if meta.get("unencrypted_regex"):
        return not any(re.search(str(meta["unencrypted_regex"]), name) for name in path)
    if meta.get("encrypted_suffix"):
        return any(name.endswith(str(meta["encrypted_suffix"])) for name in path)
    suffix = str(meta.get("unencrypted_suffix") or UNENCRYPTED)
    return not any(name.endswith(suffix) for name in path)


def _joined(path: Path) -> str:
    return ":".join(path) + ":"


def _sealed(value: Any, key: bytes, place: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if value == "":
        return ""  # as sops does
    nonce = secrets.token_bytes(NONCE)
    whole = AESGCM(key).encrypt(nonce, _bytes(value), place.encode())
    parts = (base64.b64encode(each).decode() for each in (whole[:-TAG], nonce, whole[-TAG:]))
    kind = {bool: "bool", int: "int", float: "float"}.get(type(value), "str")
    data, iv, tag = parts
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]"


def _opened(text: str, key: bytes, place: str, name: str) -> Any:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    found = VALUE.match(text)
    if found is None:
        raise _broken(name, f"{place.rstrip(':') or 'a value'} is not encrypted")
    data, nonce, tag = (base64.b64decode(part) for part in found.groups()[:3])
    try:
        plain = AESGCM(key).decrypt(nonce, data + tag, place.encode()).decode()
    except InvalidTag:
        raise _broken(name, f"{place.rstrip(':')} was changed or moved") from None
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": "True".__eq__}
    return kinds.get(found[4], str)(plain)


def _bytes(value: Any) -> bytes:
    if isinstance(value, bool):
        return str(value).encode()
    if isinstance(value, float):  # as Go writes the shortest decimal without an exponent
        return format(Decimal(repr(value)).normalize(), "f").encode()
    return str(value).encode()


def _broken(name: str, seen: str) -> HabariError:
    return HabariError(
        f"{name}: {seen}, a file as sops made it was expected.",
        pasteable("git", "log", "--patch", "--", name),
    )
