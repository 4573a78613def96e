"""Values encrypted in a file: sops itself opens it, changes it, and gives it to other keys.

Nothing here reads the format further than to say what is in a file without a key: what is trusted
is what sops gives out after it has verified the file. https://getsops.io/docs/

Secrets reach sops by standard input and come back by standard output. Where sops changes a file,
that is an encrypted copy, which replaces the file once it was opened again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import USAGE, CommandFailed, HabariError, MissingTool, pasteable
from habari_local.core.subprocesses import run_attached, run_piped
from habari_local.drivers import package_manager

META = "sops"
LIMIT = 256 * 1024  # bytes of a file of values, as `helm_values.values` reads it
UNCHANGED = 200  # exit code of `sops edit`: the editor changed nothing
# Exit codes of sops (cmd/sops/codes/codes.go) that say what a file is.
FORGED = {
    24: "its checksum can't be read",
    25: "a value was changed or moved",
    51: "its values are not those that were encrypted",
    52: "it has no checksum",
}
NO_KEY = 128
CONFIG = ".sops.yaml"
# Where the metadata have the keys of each kind, and what names one.
KINDS = {
    "age": ("recipient",),
    "pgp": ("fp",),
    "kms": ("arn",),
    "gcp_kms": ("resource_id",),
    "azure_kv": ("vault_url", "name"),
    "hc_vault": ("vault_address", "key_name"),
    "hckms": ("key_id",),
}


def is_encrypted(data: Any) -> bool:
    """Whether a file's data say that sops encrypted it."""
    return isinstance(data, Mapping) and isinstance(data.get(META), Mapping)


def recipients(data: Mapping[str, Any]) -> list[str]:
    """Return the keys for which a file says that it is encrypted: age's public ones, and others."""
    meta = data[META]
    groups = [meta, *(meta.get("key_groups") or ())]
    found = [
        " ".join([*([kind] if kind != "age" else []), *(str(key.get(name)) for name in names)])
        for group in groups
        for kind, names in KINDS.items()
        for key in group.get(kind) or ()
    ]
    return list(dict.fromkeys(found))


def program(environ: Mapping[str, str]) -> str:
    """Return the path of sops.

    Raises:
        MissingTool: it is not there, with the command that gets it.
    """
    found = shutil.which("sops", path=environ.get("PATH"))
    if found is None:
        install = package_manager.install_cluster_tool("sops", environ)
        raise MissingTool("sops", "for encrypted values", install)
    return found


def decrypt(path: Path, environ: Mapping[str, str], name: str = "") -> dict[str, Any]:
    """Return the values of an encrypted file; `name` is what people know it by.

    Raises:
        HabariError: none of our keys opens it, or something else than sops changed it.
    """
    shown = name or path.name
    text = _sops(["decrypt", "--output-type", "json", str(path)], path, environ, shown)
    return dict(json.loads(text, object_pairs_hook=_once(shown)))


def create(
    path: Path, values: Mapping[str, Any], public: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Encrypt values into a new file, for these keys of age; without: for those of .sops.yaml."""
    keys = ["--age", ",".join(public)] if public else []
    kinds = ["--input-type", "json", "--output-type", "yaml", "--filename-override", str(path)]
    text = _sops(["encrypt", *keys, *kinds], path, environ, path.name, json.dumps(values))
    path.write_text(text, encoding="utf-8")


def set_value(path: Path, place: Sequence[str], text: str, environ: Mapping[str, str]) -> None:
    """Set the value at a place of an encrypted file to a text."""
    index = "".join(f'["{step}"]' for step in place)
    _sops(["set", "--value-stdin", str(path), index], path, environ, path.name, json.dumps(text))


def rotate(
    path: Path, add: Sequence[str], remove: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Encrypt a file again with a new key of its own, for more and fewer keys of age."""
    more = ["--add-age", ",".join(add)] if add else []
    fewer = ["--rm-age", ",".join(remove)] if remove else []
    _sops(["rotate", "--in-place", *more, *fewer, str(path)], path, environ, path.name)


def edit(path: Path, environ: Mapping[str, str]) -> bool:
    """Open an encrypted file in the editor of EDITOR; return whether it was changed.

    Raises:
        HabariError: sops or the editor failed; the file is as before.
    """
    code = run_attached([program(environ), "edit", str(path)], cwd=path.parent, env=environ)
    if code not in {0, UNCHANGED}:
        raise _failed(path.name, code, "")
    return code == 0


def has_config(folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether sops finds a configuration, which says for whom new files are encrypted."""
    above = [folder.resolve(), *folder.resolve().parents]
    return bool(environ.get("SOPS_CONFIG")) or any((each / CONFIG).is_file() for each in above)


@contextmanager
def revised(path: Path) -> Iterator[Path]:
    """Give a copy of an encrypted file to change, which replaces the file after the block.

    Raises:
        HabariError: the file was changed meanwhile, or would be too large to be read again.
    """
    with atomic_dir(path.parent) as folder:
        copy = folder / path.name
        before = path.read_bytes() if path.is_file() else None
        if before is not None:
            copy.write_bytes(before)
        yield copy
        size = copy.stat().st_size
        if size > LIMIT:
            raise HabariError(
                f"{path.name}: would have {-(-size // 1024)} KiB, at most {LIMIT // 1024} KiB were"
                " expected; it is as before.",
                "kubectl create secret generic --help",
                USAGE,
            )
        if (path.read_bytes() if path.is_file() else None) != before:
            raise HabariError(
                f"{path.name}: changed meanwhile by somebody else, and kept as they left it.",
                pasteable("git", "diff", "--", path),
            )
        copy.chmod(path.stat().st_mode & 0o777 if before is not None else 0o644)
        copy.replace(path)


def _sops(
    words: Sequence[str], path: Path, environ: Mapping[str, str], name: str, given: str = ""
) -> str:
    """Run sops; nothing that it prints in a failure is shown but the reason it gives at the end."""
    argv = [program(environ), *words]
    try:
        return run_piped(argv, given, cwd=path.parent, env=environ)
    except CommandFailed as error:
        last = error.output.strip().rpartition("\n")[2]
        # The reason may quote a file that it could decrypt, or what it was given.
        quoted = words[0] == "decrypt" or any(each in last for each in _texts(given))
        raise _failed(name, error.returncode, "" if quoted else last) from None


def _texts(given: str) -> list[str]:
    found: list[str] = []

    def collect(node: Any) -> None:
        below = node.values() if isinstance(node, dict) else ()
        found.extend([node] if isinstance(node, str) and node else [])
        for each in below:
            collect(each)

    collect(json.loads(given or "{}"))
    return found


def _failed(name: str, code: int, reason: str) -> HabariError:
    history = pasteable("git", "log", "--patch", "--", name)
    if code in FORGED:
        return HabariError(f"{name}: {FORGED[code]}, a file as sops made it was expected.", history)
    if code == NO_KEY:
        return HabariError(
            f"{name}: none of our keys decrypts it, one of those it is encrypted for was expected.",
            "habari-local config secret list",
        )
    said = f": {reason}" if reason else ""
    return HabariError(f"{name}: sops ended with exit code {code}{said}.", history)


def _once(name: str) -> Any:
    """Return what makes a map of pairs, and refuses one in which a name stands twice."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise HabariError(
                f"{name}: a name stands twice in a map, once was expected.",
                "habari-local config secret edit",
            )
        return found

    return made
