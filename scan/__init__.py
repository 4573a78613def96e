"""What is scanned: secrets in the history, what is in a release (SBOM), its known weaknesses."""
