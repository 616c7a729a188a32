"""One table for each port, against memory and the real store."""

from datetime import UTC, datetime

import asyncpg
import pytest
from redis import asyncio as aio

from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.records import RecordCache, StoreUnavailable, Tombstone
from tenancy.values.key_record import KeyRecord
from tenancy.values.limit import Limit, Scope, Unit
from tests.tenancy.memory.stores import MemoryRecordCache, MemoryRecordSource
from tests.tenancy.people import People, a_record

HASH = "ab" * 32


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest, redis: aio.Redis) -> RecordCache:
    return MemoryRecordCache() if request.param == "memory" else RedisRecordCache(redis)


FULL = a_record(
    version=7,
    user_id="ann",
    expires_at=datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    models_allowed=("m1", "m2"),
    tokens_per_minute=10**12,
    key_requests_per_minute=5,
    disabled=True,
)


async def test_an_empty_cache_has_nothing(cache: RecordCache) -> None:
    assert await cache.get(HASH) is None


@pytest.mark.parametrize("stored", [a_record(), FULL, a_record(models_allowed=()), Tombstone(3)])
async def test_what_is_put_is_got(cache: RecordCache, stored: KeyRecord | Tombstone) -> None:
    assert await cache.put(HASH, stored)
    assert await cache.get(HASH) == stored
    assert await cache.get("cd" * 32) is None


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (a_record(version=1), a_record(version=2), 2),
        (a_record(version=2), a_record(version=2, weight=5), 2),
        (a_record(version=3), a_record(version=2), 3),
        (a_record(version=10), a_record(version=9), 10),  # as numbers, not as text
        (a_record(version=2), Tombstone(3), 3),
        (Tombstone(3), a_record(version=2), 3),
        (Tombstone(3), a_record(version=4), 4),
        (a_record(version=2**53 - 1), a_record(version=2**53 - 2), 2**53 - 1),
    ],
)
async def test_the_higher_version_wins(
    cache: RecordCache, first: KeyRecord | Tombstone, second: KeyRecord | Tombstone, winner: int
) -> None:
    await cache.put(HASH, first)
    accepted = await cache.put(HASH, second)
    stored = await cache.get(HASH)
    assert stored is not None
    assert stored.version == winner
    assert accepted == (stored == second)


async def test_redis_forgets_records_after_five_minutes(redis: aio.Redis) -> None:
    await RedisRecordCache(redis).put(HASH, a_record())
    assert 290 <= await redis.ttl(f"tollkeeper:key:{HASH}") <= 300


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"version":1}', b'{"deleted":true}', b"\xff", b"7"])
async def test_an_unreadable_value_is_nothing_and_is_replaced(redis: aio.Redis, text: bytes) -> None:
    cache = RedisRecordCache(redis)
    await redis.set(f"tollkeeper:key:{HASH}", text)
    assert await cache.get(HASH) is None
    assert await cache.put(HASH, a_record())
    assert await cache.get(HASH) == a_record()


async def test_a_redis_that_refuses_is_unavailable() -> None:
    client = open_redis_async("redis://127.0.0.1:1/0", timeout=0.1)
    for call in (RedisRecordCache(client).get(HASH), RedisRecordCache(client).put(HASH, a_record())):
        with pytest.raises(StoreUnavailable):
            await call
    await client.aclose()


async def test_postgres_joins_key_tenant_and_user(pool: "asyncpg.Pool[asyncpg.Record]", people: People) -> None:
    expiry = datetime(2031, 5, 6, tzinfo=UTC)
    key = await people.issue("acme", user_id="ann", expires_at=expiry)
    await people.execute(
        "UPDATE tenants SET name = 'Acme Ltd', weight = 7, tokens_per_minute = 1000, max_in_flight = 4, version = 9"
    )
    await people.execute("UPDATE users SET requests_per_minute = 6")
    await people.execute("UPDATE api_keys SET tokens_per_minute = 50, models_allowed = '{m1,m2}', max_in_flight = 2")
    record = await PostgresRecordSource(pool).load(key.hash)
    assert record == KeyRecord(
        version=9,
        key_id=key.id,
        key_name="prod",
        tenant_id="acme",
        tenant_name="Acme Ltd",
        fairshare_group="default",
        weight=7,
        expires_at=expiry,
        user_id="ann",
        max_in_flight=4,
        models_allowed=("m1", "m2"),
        tokens_per_minute=1000,
        key_tokens_per_minute=50,
        user_requests_per_minute=6,
        key_max_in_flight=2,
    )
    assert record.limits() == (
        Limit(Scope.TENANT, Unit.TOKENS, 1000, 60),
        Limit(Scope.USER, Unit.REQUESTS, 6, 60, "ann"),
        Limit(Scope.KEY, Unit.TOKENS, 50, 60, key.id),
    )
    assert KeyRecord.load(record.dump()) == record


async def test_a_user_of_another_tenant_with_the_same_id_adds_nothing(
    pool: "asyncpg.Pool[asyncpg.Record]", people: People
) -> None:
    ours, theirs = await people.issue("acme", user_id="ann"), await people.issue("evil", user_id="ann")
    await people.execute("UPDATE users SET tokens_per_minute = 1 WHERE tenant_id = 'evil'")
    records = await PostgresRecordSource(pool).load_many([ours.hash, theirs.hash, HASH])
    assert {key_hash: record.user_tokens_per_minute for key_hash, record in records.items()} == {
        ours.hash: None,
        theirs.hash: 1,
    }


@pytest.mark.parametrize("source", ["memory", "postgres"])
async def test_what_does_not_exist_is_none(pool: "asyncpg.Pool[asyncpg.Record]", source: str) -> None:
    records = MemoryRecordSource() if source == "memory" else PostgresRecordSource(pool)
    assert await records.load(HASH) is None
    assert await records.load_many([HASH]) == {}


async def test_a_postgres_that_refuses_is_unavailable() -> None:
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as pool:
        with pytest.raises(StoreUnavailable):
            await PostgresRecordSource(pool).load(HASH)


async def test_a_database_without_our_tables_is_unavailable_not_empty(
    pool: "asyncpg.Pool[asyncpg.Record]", people: People
) -> None:
    await people.execute("DROP TABLE api_keys CASCADE")
    with pytest.raises(StoreUnavailable):
        await PostgresRecordSource(pool).load(HASH)


async def test_the_query_finds_its_key_by_the_index(pool: "asyncpg.Pool[asyncpg.Record]", people: People) -> None:
    from tenancy.postgres.records import SELECT

    await people.issue()
    await people.execute(
        "INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix)"
        " SELECT 'k' || n, 'acme', 'k', encode(sha256(n::text::bytea), 'hex'), 'p' FROM generate_series(1, 3000) n"
    )
    await people.execute("ANALYZE")
    plan = await pool.fetch("EXPLAIN " + SELECT.replace("$1", f"'{{{HASH}}}'"))
    assert any("api_keys_key_hash_key" in row[0] for row in plan), plan
