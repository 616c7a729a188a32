"""The outbox: brings to Redis, and to every process, the changes that were committed to Postgres.

A row is written in the transaction of its change and deleted once Redis has the change, so a lost push, a Redis outage
or a killed writer heals as soon as anyone applies the outbox: the writer at once, every process every few seconds.
Applying is idempotent (the state is read anew, the write guarded by version), so a crash in between costs a repetition.
"""

import asyncio
from collections.abc import Iterable

import structlog

from store import postgres
from store import redis as store
from store.postgres import Connection, PostgresPool
from tenancy.metrics import TenancyMetrics
from tenancy.postgres import capacity, catalog, records
from tenancy.redis.capacity import put_capacity
from tenancy.redis.catalog import RedisModelCache
from tenancy.redis.names import INVALIDATE_CHANNEL, redis_key_record
from tenancy.redis.records import RedisRecordCache
from tenancy.redis.versioned import Client
from tenancy.resolving.records import Stored, Tombstone
from tenancy.values.invalidation import INVALIDATE_ALL, INVALIDATE_CAPACITY, INVALIDATE_MODELS

log = structlog.get_logger(__name__)
# What apply_outbox raises when a store cannot be reached; the rows then stay.
UNAVAILABLE: tuple[type[Exception], ...] = (*postgres.UNAVAILABLE, *store.UNAVAILABLE)
BATCH = 200
WITHOUT_RECORD = (INVALIDATE_ALL, INVALIDATE_MODELS, INVALIDATE_CAPACITY)  # all other targets are key hashes
ACQUIRE_SECONDS = 1.0
# SKIP LOCKED: rows that another process is applying are left to it.
TAKE = "SELECT id, key_hash, version FROM redis_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"
DELETE = "DELETE FROM redis_outbox WHERE id = ANY ($1::bigint[])"


async def apply_outbox(pool: PostgresPool, redis: Client) -> int:
    """Applies and deletes all rows, and returns how many; UNAVAILABLE if it could not finish: the other rows stay."""
    applied = 0
    while True:
        async with pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
            rows = await connection.fetch(TAKE, BATCH)
            if rows:
                await _apply(connection, redis, _newest((row["key_hash"], row["version"]) for row in rows))
                await connection.execute(DELETE, [row["id"] for row in rows])
        applied += len(rows)
        if len(rows) < BATCH:
            return applied


async def keep_applying(pool: PostgresPool, redis: Client, metrics: TenancyMetrics, *, seconds: float = 5.0) -> None:
    """Applies the outbox every `seconds` until cancelled."""
    failing = False
    while True:
        try:
            metrics.outbox_applied.add(n=await apply_outbox(pool, redis))
            failing = False
        except UNAVAILABLE as error:
            if not failing:  # once per outage, not once per round
                log.warning("outbox not applied", error=f"{type(error).__name__}: {error}")
            failing = True
        except Exception:  # the top of a background task
            log.exception("outbox not applied")
        await asyncio.sleep(seconds)


def _newest(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The highest version of each target: its state is read once, however often it has changed."""
    versions: dict[str, int] = {}
    for target, version in rows:
        versions[target] = max(version, versions.get(target, version))
    return versions


async def _apply(connection: Connection, redis: Client, versions: dict[str, int]) -> None:
    """Redis first, then the push: a process that is told to look again must find the change there."""
    if INVALIDATE_MODELS in versions:
        await RedisModelCache(redis).put(catalog.models_of(await connection.fetch(catalog.SELECT)))
    if INVALIDATE_CAPACITY in versions:
        await put_capacity(redis, capacity.capacity_of(await connection.fetch(capacity.SELECT)))
    pushes = list(versions)
    if INVALIDATE_ALL in versions:
        versions = await _stored(redis) | versions
    hashes = [target for target in versions if target not in WITHOUT_RECORD]
    for start in range(0, len(hashes), BATCH):
        await _apply_records(connection, redis, {key: versions[key] for key in hashes[start : start + BATCH]})
    for target in pushes:
        await redis.publish(INVALIDATE_CHANNEL, target)


async def _apply_records(connection: Connection, redis: Client, versions: dict[str, int]) -> None:
    """Writes for each hash its record as Postgres has it now, or a tombstone."""
    found = records.records_of(await connection.fetch(records.SELECT, list(versions)))
    stored: dict[str, Stored] = {}
    for key_hash, version in versions.items():
        record = found.get(key_hash, Tombstone(version))
        if isinstance(record, records.Unreadable):  # nobody may be admitted by what was there before
            await redis.delete(redis_key_record(key_hash))
        else:
            stored[key_hash] = record
    await RedisRecordCache(redis).put_many(stored)


async def _stored(redis: Client) -> dict[str, int]:
    """The version of each key record in Redis, by hash: what is gone from Postgres is deleted under that version."""
    cache = RedisRecordCache(redis)
    prefix = redis_key_record("")
    versions: dict[str, int] = {}
    async for name in redis.scan_iter(match=prefix + "*", count=1000):
        key_hash = name.decode().removeprefix(prefix)
        stored = await cache.get(key_hash)
        versions[key_hash] = 0 if stored is None else stored.version
    return versions
