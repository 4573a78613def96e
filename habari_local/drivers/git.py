"""git: which commit the checkout is at, and what differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from habari_local.core.errors import HabariError, pasteable
from habari_local.core.subprocesses import run


def commit(root: Path, environ: Mapping[str, str]) -> str:
    """Return the commit's hash, with `-dirty` where tracked files differ; empty outside of git."""
    describe = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return run(describe, cwd=root, env=environ).output.strip()
    except HabariError:
        return ""


def changed(root: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the files that differ from the commit, untracked files too.

    Raises:
        HabariError: there is no commit.
    """
    if not commit(root, environ):
        raise HabariError(
            f"{root}: no commit of git here.",
            pasteable("git", "-C", root, "log"),
        )
    # --no-optional-locks: looking must not stand in the way of somebody who commits.
    status = ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=all"]
    lines = run(status, cwd=root, env=environ).output.splitlines()
    return [line[3:] for line in lines]


def changed_since(root: Path, environ: Mapping[str, str], reference: str) -> list[str]:
    """Return the files that differ from where the checkout left a branch or commit, sorted.

    Raises:
        HabariError: there is no such branch or commit.
    """
    hint = pasteable("git", "-C", root, "fetch", "origin", reference)
    base = run(["git", "merge-base", reference, "HEAD"], cwd=root, env=environ, hint=hint)
    names = ["git", "diff", "--name-only", "--no-renames", base.output.strip()]
    listed = run(names, cwd=root, env=environ).output.splitlines()
    return sorted({*listed, *changed(root, environ)})


def archive(root: Path, environ: Mapping[str, str], reference: str, target: Path) -> None:
    """Write the files of a commit into an archive (tar).

    Raises:
        CommandFailed: there is no such commit.
    """
    words = ["git", "archive", "--format=tar", f"--output={target}", reference]
    run(words, cwd=root, env=environ, hint=pasteable("git", "-C", root, "log", "--oneline"))


def files(root: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the files of the working tree, without those that git ignores."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    return [name for name in run(listed, cwd=root, env=environ).output.split("\0") if name]
