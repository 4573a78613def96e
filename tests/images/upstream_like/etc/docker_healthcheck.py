#!/usr/bin/env python3
"""Asks the server that runs here, as docker-stacks do: at the price of two Pythons."""

import json
import subprocess
from pathlib import Path

import requests

runtime = subprocess.check_output(["jupyter", "--runtime-dir"], text=True).strip()
file = next(Path(runtime).glob("*server-*.json"))
requests.get(json.loads(file.read_bytes())["url"] + "api", timeout=5).raise_for_status()
