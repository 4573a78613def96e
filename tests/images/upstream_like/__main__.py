"""Builds what is missing and prints the notebook image's name."""

import sys

from tests.images.upstream_like import built

sys.stdout.write(f"{built().reference('notebook')}\n")
