"""Who may sign in, as the settings say, and the people whom the fake GitHub knows."""

from __future__ import annotations

from habari_local.config.settings import Settings


def people(settings: Settings) -> list[dict[str, object]]:
    """Return the users that the fake GitHub knows: one of each kind, and one that is refused."""
    notes = dict.fromkeys(settings.allowed_users, "allowed")
    notes |= dict.fromkeys(settings.admin_users, "admin")
    members = {
        f"member-of-{name}"[:39].rstrip("-"): name for name in settings.allowed_organizations
    }
    notes |= dict.fromkeys(members, "allowed by organization")
    notes |= {stranger(settings): "denied"}
    return [
        {
            "login": login,
            "id": 1000 + number,
            "name": login.capitalize(),
            "email": f"{login}@example.org",
            "orgs": [members[login]] if login in members else [],
            "teams": [],
            "note": note,
        }
        for number, (login, note) in enumerate(notes.items())
    ]


def stranger(settings: Settings) -> str:
    """Return a name that no list allows."""
    listed = {*settings.admin_users, *settings.allowed_users}
    return next(name for name in ("mallory", "mallory2", "mallory3") if name not in listed)


def kinds(settings: Settings) -> dict[str, list[str]]:
    """Return the users by what the hub does with them, as the endpoints name them."""
    return {
        "admin": list(settings.admin_users),
        "allowed": list(settings.allowed_users),
        "denied": [stranger(settings)],
    }
