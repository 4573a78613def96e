"""`habari-local config`: the settings, where each comes from, and changing them."""

from __future__ import annotations

from typing import Annotated

import typer

from habari_local.commands import completion, config_production, config_secret
from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result, Table
from habari_local.core.errors import ConfigError, HabariError

NAME = "NAME"
SettingName = Annotated[str, typer.Argument(metavar=NAME, autocompletion=completion.setting_names)]
app = typer.Typer(
    no_args_is_help=True,
    help="Settings, and production's values.\n\nExample: habari-local config show",
)
app.command()(config_production.check)
app.add_typer(config_secret.app, name="secret")


@app.command()
def show(sets: Sets = None, as_json: AsJson = False) -> Result:
    """Show all settings and where each comes from.

    Secrets stay hidden.

    Example: habari-local config show
    """
    from pydantic import SecretStr

    from habari_local.config.load import load
    from habari_local.config.render.dist import as_text
    from habari_local.config.settings import fields_by_variable
    from habari_local.core.paths import find_checkout

    loaded = load(find_checkout().root, flags(sets))
    rows = []
    for name, field in fields_by_variable().items():
        value = getattr(loaded.settings, field)
        secret = isinstance(value, SecretStr)
        text = ("(set)" if value else "") if secret else as_text(value)
        rows.append((name, text, loaded.sources[name]))
    data = {name: {"value": text, "source": source} for name, text, source in rows}
    return Result(data, [Table(["setting", "value", "from"], rows)], as_json=as_json)


@app.command()
def init(
    production: Annotated[
        bool, typer.Option("--production", help="Create config.yaml, production's values.")
    ] = False,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--answer",
            metavar="NAME=VALUE",
            help="An answer: host, client-id, admins, users, image, lake, notebooks, region.",
        ),
    ] = None,
) -> Result:
    """Create .env, or config.yaml for production.

    .env from .env.dist, readable by you alone; an existing file is never changed. With
    --production, config.yaml from config.dist.yaml; on a terminal, you are asked for what no
    --answer gives.

    Example: habari-local config init --production --answer host=habari.my-team.org
    """
    if production:
        return config_production.init_production(answers)
    if answers:
        raise ConfigError(["flag: --answer is for --production"], "habari-local config init --help")
    from habari_local.config.render.dist import env_dist
    from habari_local.config.secrets import write_private
    from habari_local.core.paths import find_checkout

    path = find_checkout().root / ".env"
    if path.exists():
        raise HabariError(".env: already exists.", "habari-local config show")
    write_private(path, env_dist())
    return Result({"path": str(path)}, [f"Created {path}. Edit it, then: habari-local up"])


@app.command("get")
def get(name: SettingName, sets: Sets = None) -> Result:
    """Print one setting's value.

    Secrets too, as you ask for one by name.

    Example: habari-local config get HABARI_HUB_PORT
    """
    from pydantic import SecretStr

    from habari_local.config.load import load
    from habari_local.config.render.dist import as_text
    from habari_local.core.paths import find_checkout

    root = find_checkout().root
    field = _field(name, f"habari-local config get {NAME}")
    value = getattr(load(root, flags(sets)).settings, field)
    text = value.get_secret_value() if isinstance(value, SecretStr) else as_text(value)
    return Result({name: text}, [text])


@app.command("set")
def set_(
    name: SettingName,
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> Result:
    """Set one setting in .env.

    An invalid value is refused.

    Example: habari-local config set HABARI_HUB_PORT 9000
    """
    from dotenv import set_key

    from habari_local.config.load import load
    from habari_local.core.paths import find_checkout

    root = find_checkout().root
    _field(name, f"habari-local config set {NAME} {value}")
    load(root, {name: value})
    path = root / ".env"
    path.touch(mode=0o600)
    path.chmod(0o600)
    set_key(path, name, value, quote_mode="auto")
    return Result({name: value}, [f"{name} is set in {path}. Next: habari-local up"])


@app.command("unset")
def unset(name: SettingName) -> Result:
    """Remove one setting from .env.

    Its default applies again, or the value in the environment.

    Example: habari-local config unset HABARI_HUB_PORT
    """
    from dotenv import unset_key

    from habari_local.config.load import dotenv_names
    from habari_local.core.paths import find_checkout

    path = find_checkout().root / ".env"
    _field(name, f"habari-local config unset {NAME}")
    there = name in dotenv_names(path)
    if there:
        unset_key(path, name)
    said = f"{name} is no longer in {path}. Next: habari-local up" if there else ""
    return Result({"name": name, "changed": there}, [said or f"{name} was not in {path}."])


def _field(name: str, again: str) -> str:
    """Return the field of a setting.

    Raises:
        ConfigError: there is no such setting; the nearest is named, and the call with it.
    """
    from habari_local.config.load import unknown
    from habari_local.config.settings import fields_by_variable

    known = fields_by_variable()
    if name in known:
        return known[name]
    problem, near = unknown(name)
    raise ConfigError([problem], again.replace(NAME, near) if near else "habari-local config show")
