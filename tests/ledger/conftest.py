"""A ledger whose sums are compared with those in memory."""

from collections.abc import AsyncIterator

import pytest

from store.postgres import open_postgres
from tests.ledger.rollups import Subject


@pytest.fixture
async def subject(database_url: str) -> AsyncIterator[Subject]:
    async with open_postgres(database_url, size=12, timeout=20.0) as pool:
        await pool.execute("UPDATE usage_horizon SET minutes_from = '2026-03-09T05:00Z'")
        yield Subject(pool)
