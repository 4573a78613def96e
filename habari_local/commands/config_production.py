"""`habari-local config check`, and `config init --production`: the values of production."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result
from habari_local.core.errors import ConfigError, HabariError

if TYPE_CHECKING:
    from habari_local.core.paths import Checkout
    from habari_local.helm_values.chart import Chart

NAME, DIST = "config.yaml", "config.dist.yaml"


def init_production(pairs: list[str] | None) -> Result:
    """Make config.yaml from config.dist.yaml, with answers given or, on a terminal, asked for."""
    from habari_local.config.secrets import write_private
    from habari_local.core.paths import find_checkout
    from habari_local.helm_values.init_values import check as checked
    from habari_local.helm_values.init_values import fill_values

    root = find_checkout().root
    path = root / NAME
    if path.exists():
        raise HabariError(f"{NAME}: already exists.", "habari-local config check")
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


Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Each is checked on its own; default: config.yaml."),
]
Bases = Annotated[
    list[Path] | None,
    typer.Option("--base", metavar="FILE", help="Values under each FILE; repeatable."),
]


def check(
    files: Files = None, base: Bases = None, sets: Sets = None, as_json: AsJson = False
) -> Result:
    """Check the values for production.

    By the chart's schema and by our rules; exit 1 if one is broken. The chart is that of
    HABARI_CHART, or the pinned one where it was got already; nothing is got.

    Example: habari-local config check config.yaml
    """
    from habari_local.core.paths import checkout_or_folder
    from habari_local.helm_values.validate import validate

    checkout = checkout_or_folder()
    chart, unchecked = _chart(checkout, sets)
    here = Path.cwd()
    found = [
        problem
        for file in files or [checkout.root / NAME]
        for problem in validate([*(base or ()), file], checkout.root, chart, here)
    ]
    problems = list(dict.fromkeys(found))
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''} found."
    said = [*map(str, problems), count if problems else "No problems found.", *unchecked]
    data: dict[str, Any] = {
        "good": not problems,
        "problems": [asdict(each) for each in problems],
        "chart": chart.title if chart else None,
    }
    return Result(data, said, 1 if problems else 0, as_json=as_json)


def _chart(checkout: Checkout, sets: list[str] | None) -> tuple[Chart | None, list[str]]:
    from habari_local.config.load import environment, load
    from habari_local.helm_values.chart import chart_path, open_chart, pinned_archive

    settings, environ = load(checkout.root, flags(sets)).settings, environment()
    if settings.chart or pinned_archive(environ).is_file():
        return open_chart(chart_path(settings, checkout.root, environ)), []
    told = "Not checked without a chart (HABARI_CHART): names and types, JupyterHub's version."
    return None, [told]
