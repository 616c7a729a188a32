"""The database schema of this version, for `tollkeeper migrate` and `tollkeeper up`."""

import asyncio

import asyncpg

from ledger.clickhouse.migrate import migrate as migrate_clickhouse
from store.clickhouse import Clickhouse
from store.migrate import migrate
from store.tls import check_postgres_files

MIGRATION_SECONDS = 60.0


def run_migrations(database_url: str, ledger_url: str | None = None) -> list[str]:
    """The names of the migrations that were missing; store.migrate.NewerSchema, or what asyncpg or ClickHouse raise."""

    async def run() -> list[str]:
        check_postgres_files(database_url)
        connection = await asyncpg.connect(database_url, timeout=MIGRATION_SECONDS)
        try:
            done = await migrate(connection)
        finally:
            await connection.close()
        return done if ledger_url is None else done + await _migrate_ledger(ledger_url)

    return asyncio.run(run())


async def _migrate_ledger(url: str) -> list[str]:
    client = Clickhouse(url, MIGRATION_SECONDS)
    try:
        return [f"clickhouse/{name}" for name in await migrate_clickhouse(client)]
    finally:
        await client.aclose()
