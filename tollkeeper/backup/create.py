"""Writing a backup: all tables as one snapshot has them, while everything runs.

It locks nothing against readers and writers.  As under pg_dump, dropping a table or a month of the ledger waits for its
end; and it does not begin while the schema is being changed.
"""

# ruff: noqa: S608 - statements are put together from names that the database says, quoted

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg

from store.migrate import ADVISORY_LOCK
from store.tls import check_postgres_files
from tollkeeper.backup import tables
from tollkeeper.backup.archive import FORMAT, Manifest, Table, Writer, writing

TRY_LOCK = "SELECT pg_try_advisory_xact_lock_shared($1)"


class CannotBackUp(Exception):
    """A backup is not possible now, or not of this database."""


async def create(database_url: str, path: Path) -> Manifest:
    """CannotBackUp, CannotWrite, tables.NotOurs, what asyncpg raises."""
    check_postgres_files(database_url)
    with writing(path) as archive:
        connection = await tables.connect(database_url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                manifest = await _copy(connection, archive)
        finally:
            await connection.close(timeout=5)
        archive.finish(manifest)
    return manifest


async def _copy(connection: tables.Connection, archive: Writer) -> Manifest:
    await connection.execute(tables.SESSION)
    if not await connection.fetchval(TRY_LOCK, ADVISORY_LOCK):
        raise CannotBackUp("the schema is being changed by `tollkeeper migrate`: try again when that is done")
    taken_at = datetime.now(UTC)
    migrations = await tables.applied(connection)
    try:
        copied = [await _table(connection, archive, found) for found in await tables.tables(connection)]
    except asyncpg.LockNotAvailableError:
        raise CannotBackUp(
            "a table is locked by a change of the schema, or by forget_usage_before(): try again"
        ) from None
    return Manifest(
        format=FORMAT,
        taken_at=taken_at.isoformat(timespec="milliseconds"),
        tollkeeper=version("tollkeeper"),
        postgres=str(await connection.fetchval("SHOW server_version")),
        migrations=migrations,
        months=await tables.months(connection),
        tables=copied,
    )


async def _table(connection: tables.Connection, archive: Writer, found: tables.Found) -> Table:
    query = f"SELECT {tables.listed(found.columns)} FROM {tables.quoted(found.name)}"
    with archive.table(found.name) as member:
        status = await connection.copy_from_query(query, output=member.write)
    sequence = None
    if found.identity is not None:  # asked after the rows: a sequence knows no snapshot, and is ahead of it now
        name = await tables.sequence_of(connection, found.name, found.identity)
        sequence = await connection.fetchval(f"SELECT CASE WHEN is_called THEN last_value END FROM {name}")
    rows = int(status.removeprefix("COPY "))
    return Table(found.name, found.columns, rows, member.bytes, member.sha256, found.identity, sequence)
