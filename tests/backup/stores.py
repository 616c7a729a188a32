"""Databases to write backups of, and what is in them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from tollkeeper.backup import tables
from tollkeeper.up.postgres import Postgres


@contextmanager
def empty_database(postgres: Postgres, name: str) -> Iterator[str]:
    """URL of a new one without a schema of ours."""
    asyncio.run(_run(postgres.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}"))
    yield postgres.url.rsplit("/", 1)[0] + f"/{name}"
    asyncio.run(_run(postgres.url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def execute(url: str, *statements: str) -> None:
    asyncio.run(_run(url, *statements))


def value(url: str, query: str) -> object:
    async def fetch() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def contents(url: str) -> dict[str, tuple[int, str]]:
    """Of each table: how many rows, and a digest of them all."""

    async def fetch() -> dict[str, tuple[int, str]]:
        connection = await asyncpg.connect(url)
        try:
            found = {}
            for table in await tables.tables(connection):
                query = f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table.name} t"  # noqa: S608
                (found[table.name],) = [tuple(row) for row in await connection.fetch(query)]
            return found
        finally:
            await connection.close()

    return asyncio.run(fetch())
