"""`habari-local config`: the settings, where each comes from; and production's values."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands import completion, config_secret
from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result, Table
from habari_local.core.errors import ConfigError, HabariError

if TYPE_CHECKING:
    from habari_local.core.paths import Checkout
    from habari_local.helm_values.chart import Chart
    from habari_local.helm_values.evaluate import Evaluator

NAME = "NAME"
UNJUDGED = "Not evaluated, so neither sign-in nor servers' pods nor what is rendered was judged"
SettingName = Annotated[str, typer.Argument(metavar=NAME, autocompletion=completion.setting_names)]
app = typer.Typer(
    no_args_is_help=True,
    help="Settings, and production's values.\n\nExample: habari-local config show",
)
app.add_typer(config_secret.app, name="secret")
PRODUCTION, DIST, SECRETS = "config.yaml", "config.dist.yaml", config_secret.NAME
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Each is checked on its own; default: config.yaml."),
]
Bases = Annotated[
    list[Path] | None,
    typer.Option("--base", metavar="FILE", help="Values under each FILE; repeatable."),
]
Evaluate = Annotated[
    bool,
    typer.Option(
        "--evaluate/--no-evaluate",
        help="Whether to load them as the hub does, which runs their code, confined.",
    ),
]


@app.command()
def show(sets: Sets = None, as_json: AsJson = False) -> Result:
    """Show all settings and where each comes from.

    Secrets stay hidden.

    Example: habari-local config show
    """
    from pydantic import SecretStr

    from habari_local.config.load import load, unused
    from habari_local.config.render.dist import as_text
    from habari_local.config.settings import fields_by_variable
    from habari_local.core.paths import find_checkout

    root = find_checkout().root
    loaded, rows = load(root, flags(sets)), []
    for name, field in fields_by_variable().items():
        value = getattr(loaded.settings, field)
        secret = isinstance(value, SecretStr)
        text = ("(set)" if value else "") if secret else as_text(value)
        rows.append((name, text, loaded.sources[name]))
    data = {name: {"value": text, "source": source} for name, text, source in rows}
    table = Table(["setting", "value", "from"], rows)
    return Result(data, [table, *(f"{each}." for each in unused(root / ".env"))], as_json=as_json)


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
        return init_production(answers)
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


def init_production(pairs: list[str] | None) -> Result:
    """Make config.yaml from config.dist.yaml, with answers given or, on a terminal, asked for."""
    from habari_local.config.secrets import write_private
    from habari_local.core.paths import find_checkout
    from habari_local.helm_values.init_values import check as checked
    from habari_local.helm_values.init_values import fill_values

    root = find_checkout().root
    path = root / PRODUCTION
    if path.exists():
        raise HabariError(f"{PRODUCTION}: already exists.", "habari-local config check")
    wrong = [
        f"flag: --answer {pair}: expected NAME=VALUE" for pair in pairs or () if "=" not in pair
    ]
    if wrong:
        raise ConfigError(wrong, "habari-local config init --help")
    split = (pair.partition("=") for pair in pairs or ())
    answers = {name.strip(): checked(name.strip(), value) for name, _, value in split}
    if sys.stdin.isatty():
        answers |= _asked(set(answers))
    write_private(path, fill_values((root / DIST).read_text(encoding="utf-8"), answers))
    data = {"path": str(path), "answered": sorted(answers)}
    said = [
        f"Created {path}, readable by you alone; git ignores it.",
        "Next: habari-local config check",
    ]
    return Result(data, said)


def _asked(known: set[str]) -> dict[str, str]:
    from habari_local.helm_values.init_values import QUESTIONS
    from habari_local.helm_values.init_values import check as checked

    def answer(name: str, text: str) -> str:
        try:
            return checked(name, text) if text else ""
        except HabariError as error:
            raise typer.BadParameter(error.message) from None

    found: dict[str, str] = {}
    for name, question in QUESTIONS.items():
        if name not in known:
            text: str = typer.prompt(
                f"{question.asks}, like {question.like}; Enter to skip",
                default="",
                show_default=False,
                err=True,
                value_proc=partial(answer, name),
            )
            found |= {name: text} if text else {}
    return found


@app.command()
def check(
    files: Files = None,
    base: Bases = None,
    evaluate: Evaluate = True,
    sets: Sets = None,
    as_json: AsJson = False,
) -> Result:
    """Check the values for production.

    By the chart's schema, by our rules, and by what production would do: helm renders them, the
    hub's own code loads them. A secrets.yaml beside a config.yaml counts with it. Exit 1 if a rule
    is broken, 0 if there are only warnings. The chart is that of HABARI_CHART, or the pinned one
    where it was got already; it is not got.

    Example: habari-local config check config.yaml
    """
    from habari_local.config.load import unused
    from habari_local.core.paths import checkout_or_folder
    from habari_local.helm_values.validate import validate

    checkout = checkout_or_folder()
    chart, unchecked = _chart(checkout, sets)
    evaluator, reason = _evaluator(checkout, sets, chart) if evaluate else (None, "--no-evaluate")
    unchecked += [] if evaluator else [f"{UNJUDGED}: {reason}."]
    with evaluator or nullcontext():
        found = [
            problem
            for file in files or [checkout.root / PRODUCTION]
            for problem in validate(
                [*(base or ()), *_with_secrets(file)], checkout.root, chart, Path.cwd(), evaluator
            )
        ]
    told = list(dict.fromkeys(found))
    problems = [each for each in told if not each.warning]
    unchecked += [f"{each}." for each in unused(checkout.root / ".env")]
    said = [*map(str, told), _counted(len(problems), len(told) - len(problems)), *unchecked]
    data: dict[str, Any] = {
        "good": not problems,
        "problems": [asdict(each) for each in told],
        "evaluated": evaluator is not None,
        "chart": chart.title if chart else None,
    }
    return Result(data, said, 1 if problems else 0, as_json=as_json)


def _with_secrets(file: Path) -> list[Path]:
    """Return a file of values, and what is deployed over it: the encrypted ones beside it."""
    secrets = file.with_name(SECRETS)
    return [file, *([secrets] if file.name == PRODUCTION and secrets.is_file() else [])]


def _evaluator(
    checkout: Checkout, sets: list[str] | None, chart: Chart | None
) -> tuple[Evaluator | None, str]:
    """Return what evaluates values, ready to; or None and why there is none."""
    from habari_local.config.load import environment, load
    from habari_local.core.paths import Checkout, code_checkout
    from habari_local.helm_values.evaluate import NotEvaluated, evaluator_of
    from habari_local.images import bundled_binaries
    from habari_local.images.build import Images

    if chart is None:
        return None, "there is no chart"
    code = code_checkout()
    if code is None:
        return None, "that takes a checkout of Habari local"
    own, environ = Checkout(code), environment()
    if shutil.which("helm", path=environ.get("PATH")) is None:
        settings = load(checkout.root, flags(sets)).settings
        images = Images(own, settings.model_copy(update={"images": "packages"}), environ)
        try:
            bundled_binaries.unpack(images)
        except HabariError:
            return None, "helm is not here"
        environ = bundled_binaries.environment(images)
    try:
        return evaluator_of(chart, environ), ""
    except NotEvaluated as error:
        return None, error.message.rstrip(".")


def _counted(problems: int, warnings: int) -> str:
    count = f"{problems} problem{'s' if problems != 1 else ''} found." if problems else ""
    warned = f" {warnings} warning{'s' if warnings != 1 else ''}." if warnings else ""
    return (count or "No problems found.") + warned


def _chart(checkout: Checkout, sets: list[str] | None) -> tuple[Chart | None, list[str]]:
    from habari_local.config.load import environment, load
    from habari_local.helm_values.chart import chart_path, open_chart, pinned_archive

    settings, environ = load(checkout.root, flags(sets)).settings, environment()
    if settings.chart or pinned_archive(environ).is_file():
        return open_chart(chart_path(settings, checkout.root, environ)), []
    told = "Not checked without a chart (HABARI_CHART): names and types, JupyterHub's version."
    return None, [told]
