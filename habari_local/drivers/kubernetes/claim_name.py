"""How KubeSpawner calls the claim of a user's home: its scheme `safe`, without named servers.

https://jupyterhub-kubespawner.readthedocs.io/en/latest/templates.html
"""

from __future__ import annotations

import hashlib
import re

VALID = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
LENGTH = 48  # of a name, above which it is cut and told apart by a digest
DIGEST = 8  # digits of it
TEMPLATES = ("claim-{user_server}", "claim-{username}")  # the first is KubeSpawner's own


def claim_name(user: str) -> str:
    """Return what the claim of a user is called."""
    return f"claim-{slug(user)}"


def slug(user: str) -> str:
    """Return a name as objects of Kubernetes may have it, and no two users the same."""
    if VALID.fullmatch(user) and len(user) <= LENGTH and "--" not in user:
        return user
    digest = hashlib.sha256(user.encode()).hexdigest()[:DIGEST]
    length = LENGTH - DIGEST - 3
    name = re.sub(r"[^a-z0-9]+", "-", user.lower()).lstrip("-")[:length].rstrip("-")
    if name and not name[0].isalpha():
        name = f"x-{name[: length - 2]}"
    return f"{name or 'x'}---{digest}"
