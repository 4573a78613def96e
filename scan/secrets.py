"""Secrets that were committed by mistake, in any commit that led here, found by gitleaks."""

from __future__ import annotations

import shutil
import subprocess

from scan.locks import ROOT

HOW = "apt-get install gitleaks"


def there() -> bool:
    """Whether gitleaks is on this machine."""
    return shutil.which("gitleaks") is not None


def clean() -> bool:
    """Whether no commit of this branch and nothing that is not committed yet has a secret in it."""
    quiet = ("--no-banner", "--redact", "--verbose")
    history = ("gitleaks", "detect", "--log-opts=HEAD", *quiet)
    changes = ("gitleaks", "protect", *quiet)
    codes = [subprocess.run(each, cwd=ROOT, check=False).returncode for each in (history, changes)]
    return codes == [0, 0]
