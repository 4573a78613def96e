"""The hub's PostgreSQL: its container, its password, its dump and its restore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from habari_local.core.errors import NotRunning
from habari_local.drivers.docker import archive as docker_archive
from habari_local.drivers.tar_stream import Sink
from habari_local.platform.compose.platform import ComposePlatform
from habari_local.platform.compose.steps import Bringup
from habari_local.platform.mode import UNCHANGED, Context, Progress, Step

SERVICE = "db"
USER = DATABASE = "habari"
PSQL = (
    *("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
    *(f"--username={USER}", f"--dbname={DATABASE}"),
)

DUMP = ("pg_dump", f"--username={USER}", "--no-owner", DATABASE)
LOAD = (*PSQL, "--single-transaction", "--output=/dev/null")
EMPTY = b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"
# Another image has another C library, which may sort text otherwise than an index was built.
COLLATION = """\
SELECT format(command, current_database())
FROM (VALUES (1, 'REINDEX DATABASE %I'), (2, 'ALTER DATABASE %I REFRESH COLLATION VERSION'))
    AS commands(number, command)
WHERE EXISTS (
    SELECT FROM pg_database WHERE datname = current_database()
    AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid))
ORDER BY number \\gexec
"""


def container(platform: ComposePlatform) -> str:
    """Return the id of the database's container.

    Raises:
        NotRunning: it does not run.
    """
    for each in platform.containers():
        if each.service == SERVICE and each.state == "running":
            return each.id
    raise NotRunning(SERVICE)


def password(bringup: Bringup) -> Step:
    """Return the step that has a database that was started take it.

    PostgreSQL keeps the password of its first start, on a volume that outlives a checkout and its
    secrets; on its own socket it asks for none. The volume outlives the image too: indexes that
    another C library sorted are built again.
    """

    def action(ctx: Context, say: Progress) -> str:
        if SERVICE in bringup.same or not ctx.wait:
            return UNCHANGED
        say("setting the database password")
        quoted = ctx.secrets["database_password"].replace("'", "''")
        # By standard input: what is in argv can be read by everybody.
        order = f"ALTER USER {USER} PASSWORD '{quoted}';\n".encode()
        docker_archive.feed(container(bringup.platform), PSQL, iter([order, COLLATION.encode()]))
        return "told"

    return Step("password", "the database's password", action, (SERVICE,))


def dump(platform: ComposePlatform, into: Sink) -> None:
    """Write the database, as SQL."""
    docker_archive.output(container(platform), DUMP, into)


def load(platform: ComposePlatform, source: IO[bytes]) -> None:
    """Put what `dump` wrote in the place of what is there."""

    def statements() -> Iterator[bytes]:
        yield EMPTY
        yield from docker_archive.chunks(source)

    docker_archive.feed(container(platform), LOAD, statements())
