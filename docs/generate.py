"""Generates docs/reference/cli.md, the list of decisions and the site's menu, for `nox -s dist`.

python docs/generate.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from habari_local.cli import app

DOCS = Path(__file__).parent
CLI = DOCS / "reference" / "cli.md"
DECISIONS = DOCS / "adr" / "0001-record-decisions.md"
BEGIN, END = "<!-- decisions: written by `nox -s dist` -->\n", "<!-- decisions end -->\n"
SITE = DOCS.parent / "zensical.toml"
MENU_BEGIN, MENU_END = "# menu: written by `nox -s dist`\n", "# menu end\n"
MENU = {
    "Tutorial": "tutorial",
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Decisions": "adr",
}
HEAD = """\
# Command line

Generated from `habari_local/commands/` by `nox -s dist`. `--json` is for programs: one JSON
document on standard output. Progress and errors go to standard error. What the exit codes mean:
[exit codes](exit-codes.md).
"""


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with its whole name, in the order of --help."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, each in command.commands.items():
        yield from commands(each, f"{name} {part}")


def option_names(option: Any) -> list[str]:
    """Return how an option may be written, the way to switch it off included."""
    return [*sorted(option.opts, key=len), *option.secondary_opts]


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option_names(option))
    takes_value = not option.is_flag
    value = f" `{option.metavar or option.name.upper()}`" if takes_value else ""
    default = f" Default: `{option.default}`." if takes_value and option.default is not None else ""
    if option.secondary_opts:
        default = f" Default: `{option.opts[0] if option.default else option.secondary_opts[0]}`."
    return f"| {names}{value} | {option.help or ''}{default} |"


def _section(name: str, command: Any) -> str:
    summary, _, example = (command.help or "").partition("Example: ")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    words = [name, "[OPTION]..." if options else ""]
    words += [a.metavar or a.name.upper() for a in arguments]
    usage = " ".join(filter(None, words))
    lines = [f"## {name}", "", " ".join(summary.split()), "", "```text", usage, "```", ""]
    if options:
        lines += ["| option | meaning |", "|---|---|", *map(_option, options), ""]
    if example:
        lines += [f"Example: `{' '.join(example.split())}`", ""]
    return "\n".join(lines)


def _before_the_verb(program: Any) -> str:
    options = [p for p in program.params if p.param_type_name == "option"]
    lines = ["## Before the verb", "", "```text", "habari-local [OPTION]... VERB", "```", ""]
    return "\n".join([*lines, "| option | meaning |", "|---|---|", *map(_option, options), ""])


def page() -> str:
    """Return the Markdown of the whole page."""
    program = typer.main.get_command(app)
    found = commands(program, "habari-local")
    sections = (_section(name, command) for name, command in found)
    return "\n".join([HEAD, _before_the_verb(program), *sections])


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def decisions() -> str:
    """Return the page on decisions, with a link to every other one between its two markers."""
    before, _, rest = DECISIONS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    links = [
        f"- [{_title(path)}]({path.name})\n"
        for path in sorted(DECISIONS.parent.glob("*.md"))
        if path != DECISIONS
    ]
    return "".join([before, BEGIN, "\n", *links, "\n", END, after])


def site() -> str:
    """Return the site's configuration, with all pages in its menu between two markers."""
    before, _, rest = SITE.read_text(encoding="utf-8").partition(MENU_BEGIN)
    lines = ["nav = [\n", '    "README.md",\n']
    for title, folder in MENU.items():
        found = (DOCS / folder).glob("*.md")
        pages = sorted(found, key=lambda each: each.name if folder == "adr" else _title(each))
        names = ", ".join(f'"{folder}/{each.name}"' for each in pages)
        lines.append(f'    {{"{title}" = [{names}]}},\n')
    return "".join([before, MENU_BEGIN, *lines, "]\n", MENU_END, rest.partition(MENU_END)[2]])


if __name__ == "__main__":
    for target, text in ((CLI, page()), (DECISIONS, decisions()), (SITE, site())):
        target.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{target}\n")
