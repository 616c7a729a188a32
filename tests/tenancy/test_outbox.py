"""Changes reach Redis and every process, whatever fails in between."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from redis import asyncio as aio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.outbox import UNAVAILABLE, apply_outbox, keep_applying
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.records import Stored, Tombstone
from tenancy.values.key_record import KeyRecord
from tests.tenancy.people import Issued, People
from tests.tenancy.waiting import until
from tollkeeper.up.valkey import Valkey

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

    Pool = asyncpg.Pool[asyncpg.Record]


async def test_an_empty_outbox_is_no_work(pool: "Pool", redis: aio.Redis) -> None:
    assert await apply_outbox(pool, redis) == 0


async def test_a_change_becomes_a_record_and_a_push(pool: "Pool", redis: aio.Redis, people: People) -> None:
    key = await people.issue()
    await people.disable(key)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe("tollkeeper:invalidate")
        assert await apply_outbox(pool, redis) == 1
        assert await pushes(pubsub, 1) == [key.hash]
    record = await stored(redis, key)
    assert isinstance(record, KeyRecord)
    assert (record.version, record.disabled) == (2, True)
    assert await left(pool) == 0


async def test_a_deletion_becomes_a_tombstone(pool: "Pool", redis: aio.Redis, people: People) -> None:
    key = await people.issue()
    await people.disable(key)
    await people.delete(key)
    assert await apply_outbox(pool, redis) == 2
    assert await stored(redis, key) == Tombstone(3)


async def test_more_rows_than_a_batch_are_all_applied(pool: "Pool", redis: aio.Redis, people: People) -> None:
    key = await people.issue()
    await people.execute(
        "INSERT INTO redis_outbox (key_hash, version)"
        " SELECT encode(sha256(n::text::bytea), 'hex'), 1 FROM generate_series(1, 500) n"
    )
    await people.disable(key)
    assert await apply_outbox(pool, redis) == 501
    assert await left(pool) == 0
    assert len(await redis.keys("tollkeeper:key:*")) == 501


async def test_concurrent_appliers_do_each_row_at_least_once_and_leave_none(
    pool: "Pool", redis: aio.Redis, people: People
) -> None:
    keys = [await people.issue() for _ in range(5)]
    for key in keys:
        await people.disable(key)
        await people.delete(key)
    applied = await asyncio.gather(*(apply_outbox(pool, redis) for _ in range(4)))
    assert sum(applied) == 10
    assert [await stored(redis, key) for key in keys] == [Tombstone(n) for n in (3, 5, 7, 9, 11)]


async def test_an_older_row_applied_late_does_not_bring_a_key_back(
    pool: "Pool", redis: aio.Redis, people: People
) -> None:
    key = await people.issue()
    await people.delete(key)
    await apply_outbox(pool, redis)
    await people.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ($1, 1)", key.hash)
    await apply_outbox(pool, redis)
    assert await stored(redis, key) == Tombstone(2)


async def test_everything_is_read_anew_and_pushed_as_one(pool: "Pool", redis: aio.Redis, people: People) -> None:
    changed, gone, absent = [await people.issue() for _ in range(3)]
    for key in (changed, gone):
        await people.disable(key)
    await apply_outbox(pool, redis)
    await people.execute("UPDATE tenants SET weight = 77, version = version + 1")
    await people.execute("DELETE FROM api_keys WHERE id = $1", gone.id)
    await people.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ('*', 0)")
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe("tollkeeper:invalidate")
        assert await apply_outbox(pool, redis) == 1
        assert await pushes(pubsub, 1) == ["*"]
    record = await stored(redis, changed)
    assert isinstance(record, KeyRecord)
    assert record.weight == 77
    assert isinstance(await stored(redis, gone), Tombstone)
    assert await stored(redis, absent) is None


async def test_a_model_change_is_written_and_pushed(pool: "Pool", redis: aio.Redis, people: People) -> None:
    await people.execute("INSERT INTO models (name, enabled) VALUES ('m1', true), ('m2', false)")
    await people.execute("UPDATE models SET created_at = '2026-01-02T03:04:05Z'")
    await people.execute("INSERT INTO redis_outbox (key_hash, version) VALUES ('models', 1)")
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe("tollkeeper:invalidate")
        await apply_outbox(pool, redis)
        assert await pushes(pubsub, 1) == ["models"]
    text = await redis.get("tollkeeper:models")
    assert text is not None
    assert json.loads(text)["models"] == [
        {"name": "m1", "enabled": True, "created": 1767323045},
        {"name": "m2", "enabled": False, "created": 1767323045},
    ]
    assert await redis.ttl("tollkeeper:models") == -1


async def test_while_redis_is_away_rows_stay_and_heal_afterwards(
    pool: "Pool", redis: aio.Redis, people: People
) -> None:
    key = await people.issue()
    await people.disable(key)
    away = open_redis_async("redis://127.0.0.1:1/0", timeout=0.1)
    with pytest.raises(UNAVAILABLE):
        await apply_outbox(pool, away)
    await away.aclose()
    assert await left(pool) == 1
    metrics = TenancyMetrics()
    task = asyncio.create_task(keep_applying(pool, redis, metrics, seconds=0.05))
    await until(lambda: metrics.outbox_applied.counts[""] == 1)
    await people.delete(key)
    await until(lambda: metrics.outbox_applied.counts[""] == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await stored(redis, key) == Tombstone(3)


async def test_keeping_on_survives_stores_that_are_away(redis: aio.Redis) -> None:
    async with open_postgres("postgresql://nobody@127.0.0.1:1/none") as away:
        task = asyncio.create_task(keep_applying(away, redis, TenancyMetrics(), seconds=0.01))
        await asyncio.sleep(0.2)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stored(redis: aio.Redis, key: Issued) -> Stored | None:
    return await RedisRecordCache(redis).get(key.hash)


async def left(pool: "Pool") -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM redis_outbox")
    return count


async def pushes(pubsub: "PubSub", count: int) -> list[str]:
    """The next `count` messages, and that there is not one more."""
    seen: list[str] = []
    async with asyncio.timeout(5):
        while len(seen) < count:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
            if message is not None:
                seen.append(message["data"].decode())
    assert await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.05) is None
    return seen


async def test_redis_restarted_between_two_changes_misses_neither(pool: "Pool", people: People, tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    try:
        async with aio.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
            key, other = await people.issue(), await people.issue()
            await people.disable(key)
            await apply_outbox(pool, client)
            server.process.kill()  # the client's pooled connection is dead, and it does not know
            server = Valkey(tmp_path, server.port)
            await people.disable(other)
            await apply_outbox(pool, client)
            assert await stored(client, other) is not None
            assert await left(pool) == 0
    finally:
        server.stop()
