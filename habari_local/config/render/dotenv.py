"""The text of .env files, as Docker Compose, python-dotenv and shells read them alike."""

from __future__ import annotations

from collections.abc import Mapping


def as_dotenv(values: Mapping[str, str]) -> str:
    """Return the text of a .env file; values in single quotes are taken as they are."""
    quoted = {
        name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in values.items()
    }
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items())
