"""The generated texts: `.env.dist`, the reference of settings, the Python in config.dist.yaml."""

from __future__ import annotations

import re
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from habari_local.config.settings import Settings, variable

HEAD = """\
# Every setting of Habari local with its default. Generated: edit habari_local/config/settings.py,
# then `nox -s dist`. Copy it with `habari-local config init` (makes .env, readable by you alone).
# Order: default < .env < environment < flag (--set NAME=VALUE).
"""

# What production's hub runs: the key in hub.extraConfig, its module in hub/habari_hub/, and what
# sets it to work.
HUB_CODE = {
    "signIn": (
        "production_sign_in.py",
        'if "github" in str(c.JupyterHub.authenticator_class).lower():  # of hub.config\n'
        "    c.JupyterHub.authenticator_class = HabariAuthenticator",
    ),
    "spawner": ("production_spawner.py", "c.JupyterHub.spawner_class = HabariSpawner"),
    "proxy": ("production_proxy.py", "c.JupyterHub.proxy_class = HabariProxy"),
}


def as_text(value: Any) -> str:
    """Return a setting's value as it is written in a .env file."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"  # 0 as people write it, and as a default that was never read
    return str(value)


def _sections() -> list[tuple[str, list[tuple[str, str, str]]]]:
    rows = []
    for field, info in Settings.model_fields.items():
        extra = info.json_schema_extra
        section = str(extra["section"]) if isinstance(extra, dict) else ""
        rows.append((section, (variable(field), as_text(info.default), info.description or "")))
    return [(name, [row for _, row in group]) for name, group in groupby(rows, lambda r: r[0])]


def env_dist() -> str:
    """Return the text of `.env.dist`."""
    lines = [HEAD]
    for section, rows in _sections():
        lines.append(f"# --- {section} ---\n")
        for name, default, comment in rows:
            lines += textwrap.wrap(comment, 98, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{name}={default}\n")
    return "\n".join(lines).rstrip() + "\n"


def reference_page() -> str:
    """Return the Markdown of docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "Generated from `habari_local/config/settings.py` by `nox -s dist`. Each is an environment",
        "variable, a line of `.env` or a flag `--set NAME=VALUE`; `habari-local config show` shows",
        "the value in effect and where it comes from.",
    ]
    for section, rows in _sections():
        lines += ["", f"## {section}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {f'`{default}`' if default else ''} | {comment} |"
            for name, default, comment in rows
        ]
    return "\n".join(lines) + "\n"


def config_dist(root: Path) -> str:
    """Return the text of config.dist.yaml with the hub's Python as hub/habari_hub/ has it."""
    text = (root / "config.dist.yaml").read_text(encoding="utf-8")
    for key, (module, last) in HUB_CODE.items():
        code = (root / "hub" / "habari_hub" / module).read_text(encoding="utf-8")
        block = textwrap.indent(f"{code}\n{last}\n", " " * 6)
        start, rest = re.split(rf"(?<=\n    {key}: \|\n)", text)
        # The block ends before the first line that is indented less.
        text = start + block + re.sub(r"\A(?: {6}.*\n|\n)*", "", rest)
    return text


def generated(root: Path) -> dict[Path, str]:
    """Return every generated file with the text that it should hold."""
    return {
        root / ".env.dist": env_dist(),
        root / "docs" / "reference" / "settings.md": reference_page(),
        root / "config.dist.yaml": config_dist(root),
    }


def main() -> None:
    """Write the generated files of the checkout in the current folder."""
    for path, text in generated(Path.cwd()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
