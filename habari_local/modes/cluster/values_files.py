"""The files of values that mode cluster merges; secrets are decrypted for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from habari_local.core.atomic_dir import atomic_dir
from habari_local.core.errors import ConfigError
from habari_local.drivers import sops
from habari_local.helm_values.values import read
from habari_local.modes.cluster.platform import NAME, ClusterPlatform
from habari_local.platform.helm import production


def files(platform: ClusterPlatform) -> list[Path]:
    """Return the files as they are: production's or a tenant's, and the encrypted ones of each."""
    if platform.tenant:
        return platform.tenant.files()
    return production.files(platform.ctx.checkout.root)


@contextmanager
def closed(platform: ClusterPlatform) -> Iterator[list[Path]]:
    """Give the files for those who look at values: no secret is in them that was not before."""
    hidden = dict.fromkeys(production.wanted(platform.ctx.settings), production.HIDDEN)
    with atomic_dir(platform.ctx.checkout.of_mode(NAME)) as folder:
        yield [*files(platform), *production.of_environment(folder, hidden)]


@contextmanager
def opened(platform: ClusterPlatform) -> Iterator[list[Path]]:
    """Give the files as helm takes them, in a private folder that is deleted at the end.

    Raises:
        HabariError: none of our keys opens what is encrypted.
        ConfigError: a variable is not set.
    """
    wanted, environ = production.wanted(platform.ctx.settings), platform.ctx.environ
    missing = [name for name in wanted.values() if not environ.get(name)]
    if missing:
        raise ConfigError([f"HABARI_VALUES_FROM: {each} is not set" for each in missing])
    found = {where: environ[name] for where, name in wanted.items()}
    with atomic_dir(platform.ctx.checkout.of_mode(NAME)) as folder:
        made = [
            _open(path, folder / f"{number}.yaml", platform)
            for number, path in enumerate(files(platform))
        ]
        yield [*made, *production.of_environment(folder, found)]


def _open(path: Path, target: Path, platform: ClusterPlatform) -> Path:
    data = read(path, path.name).data
    if not sops.is_encrypted(data):
        return path
    values = sops.decrypt(path, platform.environ_with("sops"))
    target.write_text(json.dumps(values), encoding="utf-8")
    return target
