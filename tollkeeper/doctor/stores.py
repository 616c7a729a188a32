"""The stores as the settings name them: whether they answer, what they would lose, their clocks beside ours."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import asyncpg

from ledger.clickhouse.migrate import MIGRATIONS as LEDGER_MIGRATIONS
from ledger.clickhouse.migrate import applied
from store.clickhouse import Clickhouse, ClickhouseAway
from store.durability import durability_of
from store.migrate import MIGRATIONS
from store.postgres import UNAVAILABLE as POSTGRES_AWAY
from store.postgres import PostgresPool, open_postgres, reading
from store.redis import UNAVAILABLE as REDIS_AWAY
from store.redis import is_cluster, open_redis_async
from store.watch import CLICKHOUSE, MISSES, POSTGRES, REDIS, SETTINGS, StoreWatch, probes
from tollkeeper.config import Settings
from tollkeeper.doctor.finding import Finding, doubtful, wrong

if TYPE_CHECKING:
    from redis import asyncio as aio

_POSTGRES_SAYS_NO: tuple[type[Exception], ...] = (*POSTGRES_AWAY, asyncpg.PostgresError)
SECONDS = 3.0
APART_SECONDS = 2.0
RISKS: Mapping[str, tuple[str, str]] = {
    "redis_may_evict": ("it may evict budgets once its memory is full", "set `maxmemory-policy noeviction`"),
    "redis_does_not_persist": ("a restart finds it empty", "set `appendonly yes`"),
}


async def findings(settings: Settings) -> list[Finding]:
    """Each question ends within SECONDS."""
    redis = open_redis_async(settings.redis_url, timeout=SECONDS)
    pool = await open_postgres(settings.database_url, timeout=SECONDS, size=1)
    clickhouse = Clickhouse(settings.ledger_url, SECONDS) if settings.ledger_url else None
    watch = StoreWatch(probes(redis, pool, clickhouse))
    try:
        for _ in range(MISSES):
            await watch.look()
        found = [_away(text.partition(" ")[0], text) for text in watch.warnings]
        if watch.up[REDIS]:
            found += await _redis(redis, clock=not is_cluster(settings.redis_url))
        if watch.up[POSTGRES]:
            found += await _postgres(pool)
        if clickhouse is not None and watch.up[CLICKHOUSE]:
            found += await _clickhouse(clickhouse)
    finally:
        await redis.aclose()
        if clickhouse is not None:
            await clickhouse.aclose()
        pool.terminate()
    return found


def _away(store: str, says: str) -> Finding:
    return wrong(store, says, f"see that it runs, and that {SETTINGS[store]} is right")


async def _redis(redis: "aio.Redis | aio.RedisCluster", *, clock: bool) -> list[Finding]:
    """`clock`: it has one; of a cluster each node has its own."""
    try:
        durability = await durability_of(redis)
        found = [doubtful(REDIS, *RISKS[name]) for name in durability.warnings]
        if clock:
            seconds, microseconds = await redis.time()
            found += _clock(REDIS, seconds + microseconds / 1e6)
    except REDIS_AWAY as error:
        return [doubtful(REDIS, f"it does not say how it is set up ({error})", "let its user run INFO and CONFIG GET")]
    return found


async def _postgres(pool: PostgresPool) -> list[Finding]:
    try:
        async with reading(pool, SECONDS) as connection:
            now = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())")
            read_only = await connection.fetchval("SHOW default_transaction_read_only") == "on"
            standby = await connection.fetchval("SELECT pg_is_in_recovery()")
            applied = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
    except _POSTGRES_SAYS_NO as error:
        return [wrong(POSTGRES, f"its schema cannot be read ({error})", "run `tollkeeper migrate`")]
    if read_only or standby:
        says = "it is a standby" if standby else "its transactions only read (default_transaction_read_only)"
        found = [wrong(POSTGRES, f"{says}, so usage waits on disk", "name the primary in TOLLKEEPER_DATABASE_URL")]
    else:
        found = []
    return found + _clock(POSTGRES, float(now)) + _schema(POSTGRES, set(MIGRATIONS), applied)


async def _clickhouse(client: Clickhouse) -> list[Finding]:
    try:
        ((now,),) = await client.select("SELECT toUnixTimestamp64Milli(now64(3)) / 1000")
        known = await applied(client)
    except ClickhouseAway as error:
        return [wrong(CLICKHOUSE, f"its schema cannot be read ({error})", "run `tollkeeper migrate`")]
    return _clock(CLICKHOUSE, now) + _schema(CLICKHOUSE, set(LEDGER_MIGRATIONS), known)


def _schema(store: str, ours: set[str], applied: set[str]) -> list[Finding]:
    found = []
    if missing := sorted(ours - applied):
        found.append(wrong(store, f"its schema lacks {', '.join(missing)}", "run `tollkeeper migrate`"))
    if newer := sorted(applied - ours):
        says = f"a newer version has written it: {', '.join(newer)}"
        found.append(doubtful(store, says, "bring this process to that version (docs/install/upgrading.md)"))
    return found


def _clock(store: str, theirs: float) -> list[Finding]:
    apart = theirs - time.time()
    if abs(apart) <= APART_SECONDS:
        return []
    way = "ahead of" if apart > 0 else "behind"
    return [doubtful(store, f"its clock is {abs(apart):.0f} s {way} this machine's", "let NTP keep both")]
