"""The files of values that mode cluster merges; secrets are decrypted for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import ConfigError
from habari_local.drivers import sops
from habari_local.helm_values.chart import production_values
from habari_local.helm_values.values import read
from habari_local.modes.cluster.platform import NAME, ClusterPlatform
from habari_local.platform.mode import Context

SECRETS = "secrets.yaml"
# What stands for a value of the environment where values are only looked at.
HIDDEN = "ENC[AES256_GCM,of the environment]"


def files(platform: ClusterPlatform) -> list[Path]:
    """Return the files as they are: production's or a tenant's, and the encrypted ones of each."""
    if platform.tenant:
        return platform.tenant.files()
    root = platform.ctx.checkout.root
    secrets = root / SECRETS
    return [production_values(root), *([secrets] if secrets.is_file() else [])]


@contextmanager
def closed(platform: ClusterPlatform) -> Iterator[list[Path]]:
    """Give the files for those who look at values: no secret is in them that was not before."""
    wanted = _wanted(platform.ctx)
    with atomic_dir(platform.ctx.checkout.of_mode(NAME)) as folder:
        yield [*files(platform), *_of_environment(folder, dict.fromkeys(wanted, HIDDEN))]


@contextmanager
def opened(platform: ClusterPlatform) -> Iterator[list[Path]]:
    """Give the files as helm takes them, in a private folder that is deleted at the end.

    Raises:
        HabariError: none of our keys opens what is encrypted.
        ConfigError: a variable is not set.
    """
    wanted, environ = _wanted(platform.ctx), platform.ctx.environ
    missing = [name for name in wanted.values() if not environ.get(name)]
    if missing:
        raise ConfigError([f"HABARI_VALUES_FROM: {each} is not set" for each in missing])
    found = {where: environ[name] for where, name in wanted.items()}
    with atomic_dir(platform.ctx.checkout.of_mode(NAME)) as folder:
        made = [
            _open(path, folder / f"{number}.yaml", platform)
            for number, path in enumerate(files(platform))
        ]
        yield [*made, *_of_environment(folder, found)]


def _open(path: Path, target: Path, platform: ClusterPlatform) -> Path:
    data = read(path, path.name).data
    if not sops.is_encrypted(data):
        return path
    values = sops.decrypt(path, platform.environ_with("sops"))
    target.write_text(json.dumps(values), encoding="utf-8")
    return target


def _of_environment(folder: Path, found: Mapping[str, str]) -> list[Path]:
    if not found:
        return []
    tree: dict[str, Any] = {}
    for where, text in found.items():
        *above, last = where.split(".")
        node = tree
        for name in above:
            node = node.setdefault(name, {})
        node[last] = text
    file = folder / "environment.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return [file]


def _wanted(ctx: Context) -> dict[str, str]:
    """Return the variable of each place.

    Raises:
        ConfigError: one is no PLACE=VARIABLE.
    """
    pairs = [each.partition("=") for each in ctx.settings.values_from]
    wrong = ["=".join((where, name)) for where, _, name in pairs if not (where and name)]
    if wrong:
        raise ConfigError([f"HABARI_VALUES_FROM={e}: expected PLACE=VARIABLE" for e in wrong])
    return {where: name for where, _, name in pairs}
