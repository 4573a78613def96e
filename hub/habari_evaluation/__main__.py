"""Loads the configuration of renderings, and tells what each is.

Each line of standard input is a job, as JSON: `rendered` (a file of helm's manifests), `folder`
(the only one that is written to), `hidden` (folders that can't be read), `result` (the file that is
written). Its answer is a line with the status of the process that did it. What is slow, the
imports, is done once, while helm renders.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from habari_evaluation import lazy_kubernetes

lazy_kubernetes.install()

import jupyterhub.app  # noqa: E402
import kubespawner  # noqa: E402, F401 (before it is confined)
import oauthenticator.github  # noqa: E402, F401
import sqlalchemy.dialects.sqlite  # noqa: E402, F401
from jupyterhub.auth import Authenticator  # noqa: E402
from jupyterhub.crypto import CryptKeeper  # noqa: E402
from jupyterhub.proxy import ConfigurableHTTPProxy  # noqa: E402
from jupyterhub.spawner import Spawner  # noqa: E402
from sqlalchemy.engine import make_url  # noqa: E402
from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: E402
from traitlets import TraitError, default  # noqa: E402
from traitlets.config.loader import Config  # noqa: E402

from habari_evaluation import (  # noqa: E402
    configuration,
    confinement,
    object_types,
    pods,
    rendering,
    sign_in,
)
from habari_evaluation.pod_files import PodFiles, environment  # noqa: E402

SECRETS = {"client_secret", "password", "api_token"}  # traits whose values are not told


class JupyterHub(jupyterhub.app.JupyterHub):
    """The hub as it starts, with a database in memory in which people are from earlier."""

    loaded: Any = None
    listed = ""
    configured = ""
    db_url: Any  # the trait

    @default("classes")
    def _load_classes(self) -> list[Any]:
        """Return what a command line knows; all that are installed take seconds to load."""
        return [Authenticator, Spawner, CryptKeeper]

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Take what was loaded before."""
        self.update_config(self.loaded)

    def write_pid_file(self) -> None:
        """Write none."""

    def init_logging(self) -> None:
        """Log as little as can be."""
        self.log.setLevel(logging.CRITICAL)

    def init_db(self) -> None:
        """Begin with an empty database, whatever the configuration's is."""
        self.configured = str(self.db_url)
        self.db_url = "sqlite://"
        super().init_db()

    def unusable_database(self) -> Exception | None:
        """Return why SQLAlchemy can't take the address of the configured database, if so."""
        try:
            make_url(self.configured).get_dialect()
        except (ArgumentError, NoSuchModuleError) as error:
            return error
        return None

    def database(self) -> dict[str, str]:
        """Return the dialect of the configured database and, of SQLite, its file: no secret."""
        found = {"database": self.configured.partition(":")[0].partition("+")[0]}
        driver = self.configured.partition(":")[0].partition("+")[2]
        found |= {"database_driver": driver} if driver else {}
        if found["database"] == "sqlite":
            found["database_file"] = make_url(self.configured).database or ""
        return found

    async def init_users(self) -> None:
        """Read the lists, when others were there before."""
        it = self.authenticator
        self.listed = sign_in.listed_user(it.allowed_users, it.admin_users)
        sign_in.earlier_users(self.db, self.listed)
        await super().init_users()


async def evaluated(path: str, recorder: configuration.Recorder) -> dict[str, Any]:
    """Return the configuration as data, and every failure."""
    try:
        loaded = configuration.load(path)
    except BaseException as error:
        return {"failures": [configuration.failure("configuration", error)]}
    found: dict[str, Any] = {"origins": recorder.origins(loaded), "failures": []}
    failures = found["failures"]
    app = JupyterHub.instance()
    app.loaded = loaded
    failures += configuration.wrong_traits(jupyterhub.app.JupyterHub, loaded)
    started = False
    try:
        await app.initialize(["--config", path])
        started = True
    except BaseException as error:
        trait = isinstance(error, TraitError)
        failures.append(configuration.failure("start", error, trait_error=trait))
    classes = {}
    for name in ("authenticator", "spawner"):
        try:
            classes[name] = getattr(app, f"{name}_class")
        except BaseException as error:
            failures.append(configuration.failure("start", error))
    unread = [*configuration.unknown_traits(jupyterhub.app.JupyterHub, loaded)]
    for cls in classes.values():
        failures += configuration.wrong_traits(cls, loaded)
        unread += configuration.unknown_traits(cls, loaded)
    found["unread"] = [
        *unread,
        *configuration.unknown_sections([jupyterhub.app.JupyterHub, *classes.values()], loaded),
    ]
    for name, cls in classes.items():
        found[name] = described(cls, getattr(app, "authenticator", None) if started else None)
    if "spawner" in classes:
        found["spawner"]["traits"] = set_traits(classes["spawner"], loaded)
    if started:
        found["services"] = configuration.data(app.services)
        found["roles"] = configuration.data(app.load_roles)
        found["user_scopes"] = sign_in.scopes_of_users(app)
        found |= app.database()
        unusable = app.unusable_database()
        failures += [configuration.failure("database", unusable)] if unusable else []
        found |= settings_of(app, loaded)
        found["sign_in"] = await sign_in.told(app, app.listed)
        found["pods"], more = await pods.manifests(app)
        found["pod_of_another"] = await pods.of_another(app)
        failures += more
    return found


def described(cls: Any, instance: Any) -> dict[str, Any]:
    """Return a class by name, what it is a kind of, and the traits of its instance."""
    names = [f"{each.__module__}.{each.__name__}" for each in cls.__mro__]
    found: dict[str, Any] = {"class": names[0], "bases": names[1:]}
    if instance is not None and isinstance(instance, cls):
        traits = {name: _value(instance, name) for name in instance.trait_names(config=True)}
        for name in SECRETS & traits.keys():
            traits[name] = bool(traits[name])  # whether there is one
        found["traits"] = configuration.data(traits)
    return found


def _value(instance: Any, name: str) -> Any:
    try:
        return getattr(instance, name)
    except Exception as error:
        return f"<{type(error).__name__}>"


def settings_of(app: Any, loaded: Any) -> dict[str, Any]:
    """Return what is set of the hub, and of its proxy where that is the chart's."""
    usual = issubclass(app.proxy_class, ConfigurableHTTPProxy)
    return {
        "hub": set_traits(jupyterhub.app.JupyterHub, loaded),
        "proxy": set_traits(app.proxy_class, loaded) if usual else {},
    }


def set_traits(cls: Any, loaded: Any) -> dict[str, Any]:
    """Return what the configuration sets of a class, later of its bases first."""
    found: dict[str, Any] = {}
    for section in cls.section_names():
        found |= {
            name: value.to_dict() if hasattr(value, "to_dict") else value
            for name, value in loaded.get(section, Config()).items()
        }
    plain: dict[str, Any] = configuration.data(found)
    return plain


def load(job: dict[str, Any]) -> None:
    """Do one job in this process, which is confined for it and ends with it."""
    with open(job["rendered"], encoding="utf-8") as file:
        manifests = rendering.objects(file.read())
    result: dict[str, Any] = {"manifests": rendering.without_secrets(manifests)}
    result["invalid"] = [object_types.problems(each) for each in manifests]
    try:
        pod = rendering.hub_pod(manifests)
    except LookupError as error:
        result["failures"] = [configuration.failure("template", error)]
    else:
        result["told_nothing"] = pod.told_nothing
        result |= _loaded(job, pod)
    with open(job["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)


def _loaded(job: dict[str, Any], pod: rendering.HubPod) -> dict[str, Any]:
    root, cwd = f"{job['folder']}/pod", f"{job['folder']}/cwd"
    rendering.write(pod, root)
    code = (rendering.values(pod).get("hub") or {}).get("extraConfig")
    os.environ.clear()
    os.environ.update(environment(pod.environment))
    os.makedirs(cwd)
    os.chdir(cwd)
    sys.argv[:] = ["jupyterhub"]
    PodFiles(root, pod.unknown).install()
    recorder = configuration.Recorder(code if isinstance(code, dict) else {})
    recorder.install()
    wall = confinement.confine(job["folder"], job["hidden"])
    try:
        found = asyncio.run(evaluated(root + pod.configuration, recorder))
    except BaseException as error:
        found = {"failures": [configuration.failure("start", error)]}
    return {**found, "wall": wall}


def main() -> None:
    """Do each job in a process of its own; say how that ended."""
    del sys.path[0]  # where this package is: production has none of it
    rendering.read_fast()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            try:
                load(json.loads(line))
            finally:
                os._exit(0)  # whatever the configuration left running
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
