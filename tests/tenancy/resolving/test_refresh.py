"""Keys in use are renewed from the shared copy before they age; whatever has changed is not."""

import pytest
from redis import asyncio as aio

from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.process_cache import ProcessCache
from tenancy.resolving.records import RecordCache, StoreUnavailable, Tombstone
from tenancy.resolving.refresh import refresh
from tenancy.resolving.resolution import Found
from tests.tenancy.memory.stores import MemoryRecordCache
from tests.tenancy.people import a_record
from tests.tenancy.resolving.chain import Clock, word

HASH = "ab" * 32
LOADED_AT = 1000.0
AGEING, AGED, RENEWED_UNTIL = 1011.0, 1015.0, 1026.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def shared() -> MemoryRecordCache:
    shared = MemoryRecordCache()
    await shared.put(HASH, a_record(version=3))
    return shared


@pytest.fixture
def cache() -> ProcessCache[int]:
    """With one key, loaded and used."""
    cache: ProcessCache[int] = ProcessCache()
    cache.keep(HASH, Found(a_record(version=3), 3), LOADED_AT)
    cache.peek(HASH, LOADED_AT)
    return cache


async def test_a_key_in_use_stays_fresh(cache: ProcessCache[int], shared: MemoryRecordCache, clock: Clock) -> None:
    clock.now = AGEING
    await refresh(cache, shared, clock)
    assert word(cache.peek(HASH, AGED)) == "found 3"
    assert word(cache.peek(HASH, RENEWED_UNTIL)) == "nothing"


async def test_it_is_not_asked_for_before_it_ages(
    cache: ProcessCache[int], shared: MemoryRecordCache, clock: Clock
) -> None:
    clock.now = LOADED_AT + 9
    await refresh(cache, shared, clock)
    assert word(cache.peek(HASH, AGED)) == "nothing"


@pytest.mark.parametrize(("last_used", "found"), [(LOADED_AT, "nothing"), (LOADED_AT + 25, "found 3")])
async def test_a_key_that_nobody_has_used_for_a_minute_is_left_to_age(
    cache: ProcessCache[int], shared: MemoryRecordCache, clock: Clock, last_used: float, found: str
) -> None:
    for second in range(70):
        clock.now = LOADED_AT + second
        await refresh(cache, shared, clock)
        if clock.now == last_used:
            cache.peek(HASH, last_used)
    assert word(cache.peek(HASH, clock.now)) == found


@pytest.mark.parametrize("stored", [a_record(version=4), a_record(version=2), Tombstone(3), None])
async def test_what_has_changed_is_left_to_age(
    cache: ProcessCache[int], clock: Clock, stored: Tombstone | None
) -> None:
    shared = MemoryRecordCache()
    if stored is not None:
        await shared.put(HASH, stored)
    clock.now = AGEING
    await refresh(cache, shared, clock)
    assert word(cache.peek(HASH, AGEING)) == "found 3"
    assert word(cache.peek(HASH, AGED)) == "nothing"


class Meanwhile(MemoryRecordCache):
    """A shared copy during whose answer something happens to the cache."""

    def __init__(self, cache: ProcessCache[int], what: str) -> None:
        super().__init__()
        self._cache, self._what = cache, what

    async def unchanged(self, versions: object) -> set[str]:
        getattr(self._cache, self._what)(*([HASH] if self._what == "evict" else []))
        return {HASH}


@pytest.mark.parametrize("what", ["evict", "clear", "expire"])
async def test_a_key_withdrawn_meanwhile_is_not_renewed(cache: ProcessCache[int], clock: Clock, what: str) -> None:
    clock.now = AGEING
    await refresh(cache, Meanwhile(cache, what), clock)
    assert word(cache.peek(HASH, AGEING)) == "nothing"


async def test_a_key_loaded_anew_meanwhile_keeps_the_newer_record(clock: Clock, shared: MemoryRecordCache) -> None:
    cache: ProcessCache[int] = ProcessCache()
    old = Found(a_record(version=3), 3)
    cache.keep(HASH, Found(a_record(version=4), 4), AGEING)
    cache.renew(HASH, old, AGEING, AGEING)
    assert word(cache.peek(HASH, AGEING)) == "found 4"


class Away(MemoryRecordCache):
    async def unchanged(self, versions: object) -> set[str]:
        raise StoreUnavailable("redis")


async def test_a_store_that_is_away_renews_nothing(cache: ProcessCache[int], clock: Clock) -> None:
    clock.now = AGEING
    await refresh(cache, Away(), clock)
    assert word(cache.peek(HASH, AGEING)) == "found 3"
    assert word(cache.peek(HASH, AGED)) == "nothing"


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, redis: aio.Redis) -> RecordCache:
    return MemoryRecordCache() if request.param == "memory" else RedisRecordCache(redis)


async def test_unchanged_is_what_has_exactly_that_version(store: RecordCache) -> None:
    await store.put("aa" * 32, a_record(version=12))
    await store.put("bb" * 32, a_record(version=1))
    await store.put("cc" * 32, Tombstone(7))
    asked = {"aa" * 32: 12, "bb" * 32: 2, "cc" * 32: 7, "dd" * 32: 1}
    assert await store.unchanged(asked) == {"aa" * 32}
    assert await store.unchanged({"aa" * 32: 1}) == set()  # not the beginning of 12
