"""The resolver chain: key hash → record, from this process, else Redis, else Postgres, one load at a time per hash.

| Redis       | Postgres    | answer                                                                   |
|-------------|-------------|--------------------------------------------------------------------------|
| record      | not asked   | the record                                                               |
| tombstone   | not asked   | Unknown                                                                  |
| nothing     | answers     | the record (also put into Redis), or Unknown                             |
| unavailable | answers     | the record, or Unknown                                                   |
| nothing     | unavailable | Unavailable                                                              |
| unavailable | unavailable | what this process loaded at most 60 s ago, else Unavailable              |

A load may race with an invalidation, so it is cached only while it is the registered flight of its hash.  An
invalidation unregisters it: its result still reaches those who asked before, and nobody else.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from tenancy.metrics import TenancyMetrics
from tenancy.resolving.breaker import Breaker
from tenancy.resolving.process_cache import ProcessCache
from tenancy.resolving.records import RecordCache, RecordSource, Stored, StoreUnavailable, Tombstone
from tenancy.resolving.resolution import UNAVAILABLE, UNKNOWN, Found, Resolution, Unknown
from tenancy.values.invalidation import INVALIDATE_ALL, INVALIDATE_MODELS
from tenancy.values.key_record import KeyRecord

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for each call to a store, and for a caller's answer, whatever the stores do."""

    redis: float = 0.1
    postgres: float = 0.5
    caller: float = 1.0  # half of Envoy's timeout for a call to us


class _BothUnavailable(Exception):
    """Neither store could be asked: the one case in which an old answer is better than none."""


class _Lane:
    """Loads that run at once, and those that wait for their turn; `max_inside` bounds both together, None does not."""

    def __init__(self, running: int, max_inside: int | None) -> None:
        self.slots = asyncio.Semaphore(running)
        self.inside, self._max_inside = 0, max_inside

    def full(self) -> bool:
        return self._max_inside is not None and self.inside >= self._max_inside


class Resolver(Generic[T]):
    """`peek` is for any thread; everything else belongs to the background loop.

    `prepare` makes whatever the caller wants to keep with a record, once each time it is loaded.
    """

    def __init__(
        self,
        source: RecordSource,
        shared: RecordCache,
        prepare: Callable[[KeyRecord], T],
        metrics: TenancyMetrics,
        *,
        cache: ProcessCache[T] | None = None,
        clock: Callable[[], float] = time.monotonic,
        timeouts: Timeouts | None = None,
        concurrent_loads: int = 16,
        waiting_loads: int = 1024,
    ) -> None:
        self._source, self._shared, self._prepare, self._metrics, self._clock = source, shared, prepare, metrics, clock
        self._cache: ProcessCache[T] = ProcessCache() if cache is None else cache
        self._timeouts = timeouts or Timeouts()
        self._redis = Breaker("redis", clock, self._timeouts.redis, metrics.errors)
        self._postgres = Breaker("postgres", clock, self._timeouts.postgres, metrics.errors)
        self._flights: dict[str, asyncio.Task[Resolution[T]]] = {}
        self._running: set[asyncio.Task[Resolution[T]]] = set()
        # A flood of made-up keys fills its own lane.  Keys seen before have another, bounded by the size of the cache.
        self._unknown_keys = _Lane(concurrent_loads, concurrent_loads + waiting_loads)
        self._known_keys = _Lane(concurrent_loads, None)

    def peek(self, key_hash: str, now: float) -> Found[T] | Unknown | None:
        """What this process knows at `now` (of the resolver's clock); None: it must be resolved."""
        resolution = self._cache.peek(key_hash, now)
        if resolution is not None:
            self._metrics.hits.counts["negative" if resolution is UNKNOWN else "process"] += 1
        return resolution

    async def resolve(self, key_hash: str) -> Resolution[T]:
        """The answer, within `timeouts.caller`.  Does not raise when a store fails."""
        known = self.peek(key_hash, self._clock())  # another caller's load may have landed meanwhile
        if known is not None:
            return known
        flight = self._flights.get(key_hash) or self._take_off(key_hash)
        if flight is None:
            self._metrics.saturated.add()
            self._metrics.unavailable.add()
            return UNAVAILABLE
        await asyncio.wait({flight}, timeout=self._timeouts.caller)
        resolution = flight.result() if flight.done() and not flight.cancelled() else UNAVAILABLE
        if resolution is UNAVAILABLE:
            self._metrics.unavailable.add()
        return resolution

    def subscribed(self) -> None:
        """Earlier invalidations may have been missed."""
        self._cache.expire()
        self._flights.clear()

    def invalidate(self, message: str) -> None:
        """A message of the invalidation channel."""
        if message == INVALIDATE_MODELS:
            return
        if message == INVALIDATE_ALL:
            self._cache.clear()
            self._flights.clear()
        else:
            self._cache.evict(message)
            self._flights.pop(message, None)

    async def close(self) -> None:
        """Ends the loads in progress; callers that wait for one get Unavailable."""
        for flight in self._running:
            flight.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._redis.close()
        await self._postgres.close()

    def _take_off(self, key_hash: str) -> "asyncio.Task[Resolution[T]] | None":
        lane = self._known_keys if self._cache.holds(key_hash) else self._unknown_keys
        if lane.full():
            return None
        lane.inside += 1
        flight = asyncio.get_running_loop().create_task(self._fly(key_hash, lane), name="load key")
        self._flights[key_hash] = flight
        self._running.add(flight)

        def land(_: object) -> None:
            lane.inside -= 1
            self._running.discard(flight)
            if self._flights.get(key_hash) is flight:
                del self._flights[key_hash]

        flight.add_done_callback(land)
        return flight

    async def _fly(self, key_hash: str, lane: _Lane) -> Resolution[T]:
        try:
            async with lane.slots:
                began = self._clock()
                found = await self._load(key_hash)
                self._metrics.load_seconds.observe(self._clock() - began)
                if self._flights.get(key_hash) is asyncio.current_task():
                    self._remember(key_hash, found, began)
                return found
        except StoreUnavailable:
            return UNAVAILABLE
        except _BothUnavailable:
            return self._stale(key_hash)
        except Exception:  # the top of a background task
            log.exception("key lookup failed")
            return UNAVAILABLE

    async def _load(self, key_hash: str) -> Found[T] | Unknown:
        """From the stores; StoreUnavailable, _BothUnavailable."""
        redis_answers = True
        try:
            stored = await self._redis.call(lambda: self._shared.get(key_hash))
        except StoreUnavailable:
            redis_answers, stored = False, None
        if stored is not None:
            self._metrics.hits.add("redis")
            return self._found(stored)
        try:
            record = await self._postgres.call(lambda: self._source.load(key_hash))
        except StoreUnavailable as error:
            if redis_answers:
                raise
            raise _BothUnavailable from error
        self._metrics.hits.add("postgres")
        if record is None:
            return UNKNOWN
        return self._found(await self._share(key_hash, record) if redis_answers else record)

    async def _share(self, key_hash: str, record: KeyRecord) -> Stored:
        """Puts the record into Redis, and returns what is true now: if Redis refuses it, the key has changed since."""
        try:
            if await self._redis.call(lambda: self._shared.put(key_hash, record)):
                return record
            return await self._redis.call(lambda: self._shared.get(key_hash)) or record
        except StoreUnavailable:
            return record

    def _found(self, stored: Stored) -> Found[T] | Unknown:
        return UNKNOWN if isinstance(stored, Tombstone) else Found(stored, self._prepare(stored))

    def _remember(self, key_hash: str, found: Found[T] | Unknown, began: float) -> None:
        if isinstance(found, Found):
            self._cache.keep(key_hash, found, began)
        else:
            self._cache.keep_unknown(key_hash, began)

    def _stale(self, key_hash: str) -> Resolution[T]:
        found = self._cache.stale(key_hash, self._clock())
        if found is None:
            return UNAVAILABLE
        self._metrics.hits.add("stale")
        return found
