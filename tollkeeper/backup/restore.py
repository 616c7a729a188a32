"""Bringing a backup back: the schema as it was, the rows in it, then what this version has changed of the schema since.

One transaction: either all of it is there, or what was there before.  Nothing of Tollkeeper may run meanwhile.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from store.migrate import ADVISORY_LOCK, MIGRATIONS, apply, migrate
from store.redis import open_redis
from store.tls import check_postgres_files
from tollkeeper.backup import live_state, tables
from tollkeeper.backup.archive import BadBackup, Manifest, Reader, Table, reading

# Everybody has to sign in again: a session that was ended since must not come back.
SESSIONS = ("account_sessions", "browser_sessions")
# What every process looks at anew (tenancy/outbox.py).
ANNOUNCE = "INSERT INTO redis_outbox (key_hash, version) VALUES ('*', 0), ('models', 0), ('capacity', 0)"
LOCK = "SELECT pg_advisory_xact_lock($1)"
REDIS_SECONDS = 10.0


class Refused(Exception):
    """Something is there that a restoration would destroy, or that cannot be restored."""


class Restored(NamedTuple):
    """`moved`: the schema that what was there before has now, None if nothing was; `forgotten`: the keys of Redis that
    are gone; `migrated`: what this version had to change."""

    manifest: Manifest
    moved: str | None
    forgotten: int
    migrated: list[str]


async def restore(path: Path, database_url: str, redis_url: str, *, replace: bool) -> Restored:
    """BadBackup, Refused, what asyncpg and redis raise; then nothing has changed."""
    check_postgres_files(database_url)
    with reading(path) as archive, open_redis(redis_url, timeout=REDIS_SECONDS) as redis:
        if newer := sorted(set(archive.manifest.migrations) - set(MIGRATIONS)):
            raise Refused(f"a newer version wrote the backup; unknown here: {', '.join(newer)}")
        if live_state.sidecars_run(redis):
            raise Refused("a sidecar runs: stop every `tollkeeper sidecar` and `tollkeeper admin`, and try again")
        if not replace and live_state.holds_any(redis):
            raise Refused(f"Redis holds live state of Tollkeeper; {REPLACE}")
        connection = await tables.connect(database_url)
        try:
            async with connection.transaction():
                await connection.execute(tables.SESSION)
                await connection.execute(LOCK, ADVISORY_LOCK)
                moved = await _make_room(connection, replace=replace)
                await _load(connection, archive)
                await connection.execute(ANNOUNCE)
                # Before what was restored counts: a budget or key from after the backup must meet none of it.
                forgotten = live_state.forget(redis)
            migrated = await migrate(connection)
        finally:
            await connection.close(timeout=5)
    return Restored(archive.manifest, moved, forgotten, migrated)


REPLACE = "--replace forgets it, and moves what is in the database to a schema of another name"


async def _make_room(connection: tables.Connection, *, replace: bool) -> str | None:
    """Moves the schema with everything in it, and makes an empty one of its name.  Returns the new name of the old one,
    or None."""
    if not await connection.fetchval(tables.ANYTHING):
        return None
    try:
        async with connection.transaction():
            await tables.applied(connection)
    except tables.NotOurs:
        raise Refused("the database has tables that are not Tollkeeper's: restore into one of its own") from None
    if not replace:
        raise Refused(f"the database is not empty; {REPLACE}")
    schema = str(await connection.fetchval("SELECT current_schema()"))
    moved = f"before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    try:
        await connection.execute(f"ALTER SCHEMA {tables.quoted(schema)} RENAME TO {tables.quoted(moved)}")
        await connection.execute(f"CREATE SCHEMA {tables.quoted(schema)}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(f"the schema {schema} cannot be moved: {error}; restore into an empty database") from None
    return moved


async def _load(connection: tables.Connection, archive: Reader) -> None:
    manifest = archive.manifest
    await apply(connection, manifest.migrations)
    for month in manifest.months:
        await _make_month(connection, month)
    found = {table.name: table for table in await tables.tables(connection)}
    if sorted(found) != sorted(table.name for table in manifest.tables):
        raise BadBackup("it has other tables than its version of the schema")
    names = ", ".join(map(tables.quoted, found))
    await connection.execute(f"TRUNCATE {names}")  # what migrations have put there
    for name in found:  # those of the ledger leave marks, others keep history: the backup has both
        await connection.execute(f"ALTER TABLE {tables.quoted(name)} DISABLE TRIGGER USER")
    for table in manifest.tables:
        await _fill(connection, archive, table, found[table.name])
    for name in found:
        await connection.execute(f"ALTER TABLE {tables.quoted(name)} ENABLE TRIGGER USER")
    for name in SESSIONS:
        if name in found:
            await connection.execute(f"DELETE FROM {name}")  # noqa: S608 - one of the two above


async def _fill(connection: tables.Connection, archive: Reader, table: Table, found: tables.Found) -> None:
    if sorted(found.columns) != sorted(table.columns) or found.identity != table.identity:
        raise BadBackup(f"{table.name} has other columns than its version of the schema")

    async def content() -> AsyncIterator[bytes]:
        for data in archive.content(table):
            yield data

    try:
        status = await connection.copy_to_table(table.name, source=content(), columns=table.columns)
    except asyncpg.DataError as error:
        raise BadBackup(f"{table.member}: {error}") from None
    if status != f"COPY {table.rows}":
        raise BadBackup(f"{table.member} has {status.removeprefix('COPY ')} rows, not {table.rows}")
    if table.identity is not None and table.sequence is not None:
        sequence = await tables.sequence_of(connection, table.name, table.identity)
        await connection.execute("SELECT setval($1::text::regclass, $2)", sequence, table.sequence)


async def _make_month(connection: tables.Connection, month: str) -> None:
    """As ledger/postgres/partitions.py makes it."""
    if not tables.MONTH.fullmatch(month):
        raise BadBackup(f"{month!r} is no month")
    year, number = map(int, month.split("_"))
    try:
        start, end = (
            datetime(year, number, 1, tzinfo=UTC),
            datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC),
        )
    except ValueError:
        raise BadBackup(f"{month!r} is no month") from None
    await connection.execute(
        f"CREATE TABLE {tables.LEDGER}_{month} PARTITION OF {tables.LEDGER}"
        f" FOR VALUES FROM ('{start:%Y-%m-%d}Z') TO ('{end:%Y-%m-%d}Z')"
    )
