"""The database takes the password of now: its volume outlives a checkout and its secrets."""

from __future__ import annotations

from habari_local.drivers import contents, engine
from habari_local.modes._compose.steps import Bringup
from habari_local.modes.base import SAME, Context, Say, Step

USER = "habari"
PSQL = ("psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--username", USER, USER)


def password(bringup: Bringup) -> Step:
    """Return the step that has a database that was started take it.

    PostgreSQL keeps the password of its first start, and on its own socket asks for none.
    """

    def action(ctx: Context, say: Say) -> str:
        found = [each.id for each in engine.containers(bringup.ours) if each.service == "db"]
        if "db" in bringup.same or not found or not ctx.wait:
            return SAME
        say("telling the database its password")
        quoted = ctx.secrets["database_password"].replace("'", "''")
        # By standard input: what is in argv can be read by everybody.
        contents.feed(found[-1], PSQL, iter([f"ALTER USER {USER} PASSWORD '{quoted}';\n".encode()]))
        return "told"

    return Step("password", "the database's password", action, ("db",))
