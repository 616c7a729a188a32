"""The stores of the resolver chain, opened on the test's loop."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from store.postgres import open_postgres
from store.redis import open_redis_async
from tests.conftest import PATIENT
from tests.tenancy.people import People

if TYPE_CHECKING:
    import asyncpg


@pytest.fixture
async def pool(database_url: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        yield pool


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[aio.Redis]:
    client = open_redis_async(redis_url, timeout=1.0)
    assert isinstance(client, aio.Redis)
    yield client
    await client.aclose()


@pytest.fixture
def people(database_url: str) -> People:
    return People(database_url)
