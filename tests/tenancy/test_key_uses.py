"""A key's last use is in its row soon, is written at most once a minute, and disturbs nobody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ledger.postgres import last_used
from ledger.postgres.last_used import LastUsed
from ledger.postgres.ledger import PostgresLedger
from ledger.row import UsageRow
from ratelimit.lease_id import mint_lease_id
from store.postgres import open_postgres
from tests.accesslog.entries import row

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
STATE = (
    "SELECT (SELECT version FROM tenants), updated_at, (SELECT count(*) FROM redis_outbox) FROM api_keys ORDER BY id"
)


def used(key: str, seconds: float) -> UsageRow:
    """A request `seconds` after NOW."""
    return row(key_id=key, lease_id=mint_lease_id(int((NOW.timestamp() + seconds) * 1000)))


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[("a", 0)]], [{"a": 0}]),
        ([[("a", 0), ("a", 3), ("a", 5), ("b", 1)]], [{"a": 5, "b": 1}]),
        ([[("a", 0)], [("a", 59)], [("a", 60)], [("a", 61)]], [{"a": 0}, {}, {"a": 60}, {}]),
        ([[("a", 100)], [("a", 0)]], [{"a": 100}, {}]),  # a late row
        ([[("", 0)]], [{}]),
    ],
)
def test_a_use_is_news_once_a_minute(batches: list[list[tuple[str, int]]], expected: list[dict[str, int]]) -> None:
    subject = LastUsed()
    found = [subject.news([used(key, seconds) for key, seconds in batch]) for batch in batches]
    assert found == [{key: NOW + timedelta(seconds=at) for key, at in each.items()} for each in expected]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with open_postgres(database_url) as pool:
        await pool.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'acme')")
        for key in ("a", "b"):
            await pool.execute(
                "INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix) VALUES ($1, 'acme', $1, $2, 'sk_')",
                key,
                key * 64,
            )
        yield pool


async def times(pool: "asyncpg.Pool[asyncpg.Record]") -> dict[str, datetime | None]:
    return dict(await pool.fetch("SELECT id, last_used_at FROM api_keys"))  # type: ignore[arg-type]


async def test_the_ledger_notes_when_keys_were_used(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    before = await pool.fetch(STATE)
    here, there = PostgresLedger(pool), PostgresLedger(pool)
    await here.append([used("a", 0), used("gone", 0)])
    assert await times(pool) == {"a": NOW, "b": None}
    await here.append([used("a", 30)])
    await there.append([used("a", 45), used("b", 45)])  # another sidecar
    assert await times(pool) == {"a": NOW, "b": NOW + timedelta(seconds=45)}
    await there.append([used("a", 200)])
    assert (await times(pool))["a"] == NOW + timedelta(seconds=200)
    after = await pool.fetch(STATE)
    assert after == before


async def test_a_key_that_is_being_changed_is_passed_over(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    async with pool.acquire() as other, other.transaction():
        await other.execute("UPDATE api_keys SET name = 'x' WHERE id = 'a'")
        async with asyncio.timeout(5):
            await PostgresLedger(pool).append([used("a", 0), used("b", 0)])
    assert await times(pool) == {"a": None, "b": NOW}


async def test_a_clock_that_runs_ahead_is_not_believed(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    async with pool.acquire() as connection:
        await last_used.write(connection, {"a": datetime(2199, 1, 1, tzinfo=UTC)}, 5.0)
    found = (await times(pool))["a"]
    assert found is not None
    assert found <= datetime.now(UTC) + timedelta(minutes=1)


async def test_rows_are_written_though_keys_cannot_be(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await pool.execute("ALTER TABLE api_keys RENAME COLUMN last_used_at TO elsewhere")
    await PostgresLedger(pool).append([used("a", 0)])
    assert await pool.fetchval("SELECT count(*) FROM usage") == 1
