"""Forward-only migrations: applies `migrations/*/NNNN_name.sql` by name, once, each in a transaction.

The folder is that of the slice that most of a migration is about.  All folders share one sequence: the next number is
one more than the highest in any of them.
"""

from collections.abc import Iterable
from pathlib import Path

import asyncpg

DIRECTORY = Path(__file__).parent / "migrations"
FILES = {file.stem: file for file in DIRECTORY.rglob("*.sql")}
MIGRATIONS = tuple(sorted(FILES))  # of this version, in their order
# Any number, the same in every process: one migrator at a time.
ADVISORY_LOCK = 0x746F6C6C


class NewerSchema(Exception):
    """The database was written by a newer version of Tollkeeper than this one."""


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """Applies what is missing and returns its names; NewerSchema if the database is ahead of this code."""
    await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    try:
        return await apply(connection, MIGRATIONS)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)


async def apply(connection: "asyncpg.Connection[asyncpg.Record]", names: Iterable[str]) -> list[str]:
    """Applies those of `names` that are missing, and returns them; NewerSchema.  The caller holds the lock."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    applied = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
    if unknown := applied - {*MIGRATIONS}:
        raise NewerSchema(f"a newer version wrote the database; unknown here: {', '.join(sorted(unknown))}")
    missing = [name for name in names if name not in applied]
    for name in missing:
        async with connection.transaction():
            await connection.execute(FILES[name].read_text())
            await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", name)
    return missing
