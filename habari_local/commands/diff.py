"""`habari-local diff`: how one machine differs from production, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from habari_local.commands.options import AsJson, Sets, flags
from habari_local.core.console import Result
from habari_local.core.errors import FAILED

More = Annotated[
    list[Path] | None,
    typer.Option(
        "--values", metavar="FILE", help="Values merged over kind/values.yaml; repeatable."
    ),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the report as an HTML page.")
]


def diff(
    values: More = None, html: Html = None, sets: Sets = None, as_json: AsJson = False
) -> Result:
    """Show what differs from production, and why.

    Each value, its reason, and what it changes; exit 1 if one has no reason. Production is
    config.yaml, or config.dist.yaml while there is none. Nothing needs to run; what the settings
    decide is part of it once `up --mode kind` has written it.

    Example: habari-local diff --html diff.html
    """
    from habari_local.config.load import environment, load
    from habari_local.core.paths import find_checkout
    from habari_local.helm_values.chart import chart_path, open_chart, production_values
    from habari_local.helm_values.report import as_data, as_lines, compare, render_html
    from habari_local.images import bundled_binaries
    from habari_local.images.build import Images

    checkout, settings = find_checkout(), load(find_checkout().root, flags(sets)).settings
    root, env = (
        checkout.root,
        bundled_binaries.environment(Images(checkout, settings, environment())),
    )
    chart = open_chart(chart_path(settings, root, env))
    rendered = root / ".habari" / "kind" / "values.yaml"
    more = values or ([rendered] if rendered.is_file() else [])
    overlays = [root / "kind" / "values.yaml", *(path.resolve() for path in more)]
    report = compare(chart, production_values(root), overlays, root, env)
    shown = list(as_lines(report))
    if html:
        html.write_text(render_html(report), encoding="utf-8")
        shown.append(f"Written: {html}")
    code = FAILED if report.without_reason else 0
    return Result(as_data(report), shown, code, as_json=as_json)
