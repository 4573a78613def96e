"""The text of .env files, as Docker Compose and python-dotenv read them alike."""

from __future__ import annotations

from collections.abc import Mapping


def as_dotenv(values: Mapping[str, str]) -> str:
    """Return the text of a .env file; a value with both a backslash and `$` is Compose's alone."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    # In single quotes `$` is itself, and a backslash is read in two ways; in double ones in one.
    if "\\" not in value:
        return "'" + value.replace("'", "\\'") + "'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
