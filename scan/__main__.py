"""`nox -s scan`: secrets and SBOMs; with `--vulnerabilities` also what is known of the parts."""

from __future__ import annotations

import argparse
import sys

from habari_local.core.paths import Checkout
from scan import sbom, secrets, vulnerabilities
from scan.locks import ROOT


def main() -> int:
    """Scan, tell, and return 1 if something was found."""
    parser = argparse.ArgumentParser(prog="scan")
    parser.add_argument("--vulnerabilities", action="store_true", help="ask PyPI, npm and OSV too")
    arguments = parser.parse_args()
    bad = []
    if not secrets.there():
        sys.stdout.write(f"Secrets: not looked for, gitleaks is not here. Try: {secrets.HOW}\n")
    elif not secrets.clean():
        bad.append("a secret in the history")
    for file in sbom.written(Checkout(ROOT).report / "sbom"):
        sys.stdout.write(f"SBOM: {file}\n")
    if arguments.vulnerabilities:
        bad += vulnerabilities.found()
    if bad:
        sys.stderr.write(f"Scan: {', '.join(bad)} seen, nothing was expected.\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
