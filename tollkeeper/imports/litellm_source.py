"""Reading LiteLLM's tables from its Postgres, as one snapshot has them; nothing is changed there."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from store.tls import check_postgres_files
from tollkeeper.imports.litellm import KEYS, ONLY_COUNTED, TABLES, Tables

SECONDS = 60.0
IS_THERE = "SELECT to_regclass($1) IS NOT NULL"


class NotLiteLLM(Exception):
    """The database has no such tables."""


async def read(url: str) -> Tables:
    """NotLiteLLM, what asyncpg raises."""
    check_postgres_files(url)
    connection = await asyncpg.connect(url, timeout=10, command_timeout=SECONDS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if not await connection.fetchval(IS_THERE, f'"{KEYS}"'):
                raise NotLiteLLM(f"the database has no table {KEYS}: is it LiteLLM's?")
            return {name: await _rows(connection, name) for name in (*TABLES, *ONLY_COUNTED)}
    finally:
        await connection.close(timeout=5)


async def _rows(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> Sequence[Mapping[str, Any]]:
    """As objects, since its versions differ in their columns; none if it has no such table."""
    if not await connection.fetchval(IS_THERE, f'"{table}"'):
        return ()
    rows = await connection.fetch(f'SELECT to_jsonb(t) AS row FROM "{table}" t')  # noqa: S608 - one of ours
    return [json.loads(row["row"], parse_float=Decimal) for row in rows]
