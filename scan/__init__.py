"""Scans: secrets in the history, what is in a release (SBOM), its known vulnerabilities."""
