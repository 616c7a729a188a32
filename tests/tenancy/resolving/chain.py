"""The resolver chain on real stores behind proxies that a test cuts or freezes, with a clock that it advances."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from store.postgres import open_postgres
from store.redis import open_redis_async
from tenancy.metrics import TenancyMetrics
from tenancy.postgres.records import PostgresRecordSource
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.process_cache import ProcessCache
from tenancy.resolving.records import RecordSource
from tenancy.resolving.resolution import Found, Resolution, Unavailable, Unknown
from tenancy.resolving.resolver import Resolver, Timeouts
from tenancy.values.key_record import KeyRecord
from tests.proxy import TcpProxy

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

# On a busy machine a healthy store may take longer than a sidecar would wait.
UNHURRIED = Timeouts(redis=2.0, postgres=2.0, caller=5.0)
IN_OUTAGES = Timeouts(redis=0.3, postgres=0.6, caller=2.0)


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingSource:
    """A source that counts its loads and those of them that have read, and holds them while `gate` is closed."""

    def __init__(self, source: RecordSource) -> None:
        self._source, self.loads, self.read = source, 0, 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, key_hash: str) -> KeyRecord | None:
        self.loads += 1
        gate = self.gate  # a test may put another one up for later loads
        record = await self._source.load(key_hash)
        self.read += 1
        await gate.wait()  # after the reading: what comes in between has not been seen
        return record

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        return await self._source.load_many(key_hashes)


class Chain:
    """A resolver whose `prepare` keeps the version."""

    def __init__(
        self, pool: "Pool", shared: RedisRecordCache, redis: TcpProxy, postgres: TcpProxy, timeouts: Timeouts
    ) -> None:
        self.clock, self.metrics = Clock(), TenancyMetrics()
        self.pool = pool
        self.source = CountingSource(PostgresRecordSource(pool, timeouts.postgres))
        self.redis, self.postgres = redis, postgres
        self.cache: ProcessCache[int] = ProcessCache()
        self.resolver: Resolver[int] = Resolver(
            self.source,
            shared,
            lambda record: record.version,
            self.metrics,
            cache=self.cache,
            clock=self.clock,
            timeouts=timeouts,
        )

    async def ask(self, key_hash: str) -> str:
        """The answer in one word, with the record's version if there is one."""
        return word(await self.resolver.resolve(key_hash))

    def levels(self) -> dict[str, int]:
        return {level: count for level, count in self.metrics.hits.counts.items() if count}


def word(resolution: Resolution[int] | None) -> str:
    match resolution:
        case Found(record, prepared):
            assert record.version == prepared
            return f"{'disabled' if record.disabled else 'found'} {record.version}"
        case Unknown():
            return "unknown"
        case Unavailable():
            return "unavailable"
    return "nothing"


@asynccontextmanager
async def open_chain(database_url: str, redis_url: str, timeouts: Timeouts = UNHURRIED) -> AsyncIterator[Chain]:
    redis, postgres = TcpProxy(_port(redis_url)), TcpProxy(_port(database_url))
    client = open_redis_async(redis_url.replace(f":{_port(redis_url)}/", f":{redis.port}/"), timeout=timeouts.redis)
    try:
        async with open_postgres(database_url.replace(f":{_port(database_url)}/", f":{postgres.port}/")) as pool:
            chain = Chain(pool, RedisRecordCache(client), redis, postgres, timeouts)
            try:
                yield chain
            finally:
                redis.restore()
                postgres.restore()
                await chain.resolver.close()
    finally:
        await client.aclose()
        redis.close()
        postgres.close()


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
