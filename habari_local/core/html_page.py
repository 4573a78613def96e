"""The one design of the HTML pages that are written: of the gate, of `diff`, of the tests' reports.

A page is a Jinja template that extends `page.html.j2`; its style is `page.css`, beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def render_page(template: Path, values: Mapping[str, Any]) -> str:
    """Return a page as one HTML file that loads nothing; text in `values` is escaped.

    Args:
        template: extends `page.html.j2`; `modes` in its values gives the columns of a grid.
        values: what the template uses.

    Raises:
        jinja2.UndefinedError: the template uses a value that isn't there.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, HERE]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template.name).render(values) + "\n"
