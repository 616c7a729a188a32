"""Ledgers that are compared with the one in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from store.postgres import open_postgres
from tests.clickhouse.server import ClickhouseServer
from tests.conftest import create_database, drop_database
from tests.ledger.adapters import Urls
from tests.ledger.rollups import Subject
from tollkeeper.up.postgres import Postgres


@pytest.fixture
async def subject(database_url: str) -> AsyncIterator[Subject]:
    async with open_postgres(database_url, size=12, timeout=20.0) as pool:
        await pool.execute("UPDATE usage_horizon SET minutes_from = '2026-03-09T05:00Z'")
        yield Subject(pool)


@pytest.fixture(scope="module")
def urls(postgres: Postgres, clickhouse: ClickhouseServer) -> Iterator[Urls]:
    """One database for all: making one costs more than the tests."""
    made = Urls(asyncio.run(create_database(postgres)), asyncio.run(clickhouse.create_database()))
    yield made
    asyncio.run(drop_database(postgres, made.postgres))
