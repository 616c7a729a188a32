"""A key's last use is in its row soon, is written at most once a minute, and disturbs nobody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from store.postgres import open_postgres
from tenancy.directory.change_request import ChangeRequest
from tenancy.postgres.key_ages import EXPIRE_SOON, OLD, key_ages
from tenancy.postgres.key_uses import LastUsed, PostgresKeyUses
from tenancy.postgres.keys import PostgresKeys
from tenancy.values.secret import hash_secret
from tests.conftest import PATIENT

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
STATE = (
    "SELECT (SELECT version FROM tenants), updated_at, (SELECT count(*) FROM redis_outbox) FROM api_keys ORDER BY id"
)


def used(key: str, seconds: float) -> dict[str, datetime]:
    """A use `seconds` after NOW."""
    return {key: NOW + timedelta(seconds=seconds)}


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[("a", 0)]], [{"a": 0}]),
        ([[("a", 5), ("b", 1)]], [{"a": 5, "b": 1}]),
        ([[("a", 0)], [("a", 59)], [("a", 60)], [("a", 61)]], [{"a": 0}, {}, {"a": 60}, {}]),
        ([[("a", 100)], [("a", 0)]], [{"a": 100}, {}]),  # a late row
        ([[("", 0)]], [{}]),
    ],
)
def test_a_use_is_news_once_a_minute(batches: list[list[tuple[str, int]]], expected: list[dict[str, int]]) -> None:
    subject = LastUsed()
    found = [subject.news({key: NOW + timedelta(seconds=at) for key, at in batch}) for batch in batches]
    assert found == [{key: NOW + timedelta(seconds=at) for key, at in each.items()} for each in expected]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
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


async def test_the_last_use_is_in_the_row_of_the_key(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    before = await pool.fetch(STATE)
    here, there = PostgresKeyUses(pool), PostgresKeyUses(pool)
    await here.note(used("a", 0) | used("gone", 0))
    assert await times(pool) == {"a": NOW, "b": None}
    await here.note(used("a", 30))
    await there.note(used("a", 45) | used("b", 45))  # another sidecar
    assert await times(pool) == {"a": NOW, "b": NOW + timedelta(seconds=45)}
    await there.note(used("a", 200))
    assert (await times(pool))["a"] == NOW + timedelta(seconds=200)
    after = await pool.fetch(STATE)
    assert after == before


async def test_a_key_that_is_being_changed_is_passed_over(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    async with pool.acquire() as other, other.transaction():
        await other.execute("UPDATE api_keys SET name = 'x' WHERE id = 'a'")
        async with asyncio.timeout(5):
            await PostgresKeyUses(pool).note(used("a", 0) | used("b", 0))
    assert await times(pool) == {"a": None, "b": NOW}


async def test_a_clock_that_runs_ahead_is_not_believed(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await PostgresKeyUses(pool).note({"a": datetime(2199, 1, 1, tzinfo=UTC)})
    found = (await times(pool))["a"]
    assert found is not None
    assert found <= datetime.now(UTC) + timedelta(minutes=1)


async def test_nobody_is_troubled_by_keys_that_cannot_be_written(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await pool.execute("ALTER TABLE api_keys RENAME COLUMN last_used_at TO elsewhere")
    await PostgresKeyUses(pool).note(used("a", 0))
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as away:
        await PostgresKeyUses(away).note(used("a", 0))


async def test_keys_in_use_that_are_old_or_about_to_end_are_counted(database_url: str) -> None:
    async with open_postgres(database_url, timeout=PATIENT) as pool:
        await pool.execute("INSERT INTO tenants (id, name) VALUES ('t', 't')")
        keys = [  # days until it ends, days since it was used, days since it was made, whether its secret is new
            ("soon", 3, 1, 9, False), ("unused", 3, 9, 999, False), ("ended", -1, 1, 9, False),
            ("late", 30, 1, 9, False), ("old", None, 1, 400, False), ("rotated", None, 1, 400, True),
        ]  # fmt: skip
        for name, ends, used, made, rotated in keys:
            await pool.execute(
                """INSERT INTO api_keys
                    (id, tenant_id, name, key_hash, key_prefix, expires_at, last_used_at, created_at)
                VALUES ($1, 't', $1, $5, $1, now() + $2 * interval '1 day',
                        now() - $3 * interval '1 day', now() - $4 * interval '1 day')""",
                name, ends, used, made, hash_secret(name),
            )  # fmt: skip
            if rotated:
                await PostgresKeys(pool).rotate(name, "sk_new", 0, ChangeRequest("op", "here"))
        assert await key_ages(pool) == {EXPIRE_SOON: 1.0, OLD: 1.0}
