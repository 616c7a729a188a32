"""The database schema of this version, for `tollkeeper migrate` and `tollkeeper up`."""

import asyncio

import asyncpg

from store.migrate import migrate
from store.tls import check_postgres_files

MIGRATION_SECONDS = 60.0


def run_migrations(database_url: str) -> list[str]:
    """The names of the migrations that were missing; store.migrate.NewerSchema, or what asyncpg raises."""

    async def run() -> list[str]:
        check_postgres_files(database_url)
        connection = await asyncpg.connect(database_url, timeout=MIGRATION_SECONDS)
        try:
            return await migrate(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
