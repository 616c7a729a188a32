"""The resolver chain on real Redis and Postgres: order, freshness, races, bounds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

import pytest
from redis import asyncio as aio

from tenancy.metrics import TenancyMetrics
from tenancy.outbox import apply_outbox
from tenancy.redis.records import RedisRecordCache
from tenancy.resolving.process_cache import ProcessCache
from tenancy.resolving.records import RecordSource, Tombstone
from tenancy.resolving.resolver import Resolver
from tenancy.values.key_record import KeyRecord
from tests.tenancy.memory.stores import MemoryRecordCache, MemoryRecordSource
from tests.tenancy.people import People, a_record
from tests.tenancy.resolving.chain import UNHURRIED, Chain, open_chain, word
from tests.tenancy.waiting import until

NO_SUCH = "00" * 32


@pytest.fixture
async def chain(database_url: str, redis_url: str) -> AsyncIterator[Chain]:
    async with open_chain(database_url, redis_url) as chain:
        yield chain


async def test_a_key_comes_from_postgres_then_from_this_process(chain: Chain, people: People) -> None:
    key = await people.issue()
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "nothing"
    assert await chain.ask(key.hash) == "found 1"
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "found 1"
    assert chain.levels() == {"postgres": 1, "process": 1}


async def test_a_load_puts_the_record_into_redis_for_the_others(
    chain: Chain, people: People, redis: aio.Redis, database_url: str, redis_url: str
) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    assert isinstance(await RedisRecordCache(redis).get(key.hash), KeyRecord)
    async with open_chain(database_url, redis_url) as other:
        assert await other.ask(key.hash) == "found 1"
        assert other.levels() == {"redis": 1}
        assert other.source.loads == 0


async def test_an_unknown_key_is_remembered_for_two_seconds(chain: Chain, people: People) -> None:
    assert [await chain.ask(NO_SUCH) for _ in range(3)] == ["unknown"] * 3
    assert chain.source.loads == 1
    chain.clock.now += 2.0
    assert await chain.ask(NO_SUCH) == "unknown"
    assert chain.source.loads == 2


async def test_a_tombstone_in_redis_is_an_answer(chain: Chain, people: People, redis: aio.Redis) -> None:
    key = await people.issue()
    await RedisRecordCache(redis).put(key.hash, Tombstone(2))
    assert await chain.ask(key.hash) == "unknown"
    assert chain.source.loads == 0


async def test_a_lost_push_costs_at_most_fifteen_seconds(chain: Chain, people: People, redis: aio.Redis) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    await RedisRecordCache(redis).put(key.hash, Tombstone(2))
    chain.clock.now += 14.99
    assert await chain.ask(key.hash) == "found 1"
    chain.clock.now += 0.01
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "nothing"
    assert await chain.ask(key.hash) == "unknown"


async def test_fifteen_seconds_count_from_the_beginning_of_the_load(chain: Chain, people: People) -> None:
    key = await people.issue()
    chain.source.gate.clear()
    load = asyncio.create_task(chain.ask(key.hash))
    await until(lambda: chain.source.loads == 1)
    chain.clock.now += 10
    chain.source.gate.set()
    assert await load == "found 1"
    chain.clock.now += 5
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "nothing"


async def test_a_hundred_misses_at_once_are_one_query(chain: Chain, people: People) -> None:
    key = await people.issue()
    answers = await asyncio.gather(*(chain.ask(key.hash) for _ in range(100)))
    assert set(answers) == {"found 1"}
    assert chain.source.loads == 1


async def test_many_keys_at_once_are_all_found_from_a_cold_start(chain: Chain, people: People) -> None:
    key = await people.issue()
    await people.execute(
        "INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix)"
        " SELECT 'k' || n, $1, 'k', encode(sha256(n::text::bytea), 'hex'), 'p' FROM generate_series(1, 200) n",
        key.tenant_id,
    )
    hashes = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(1, 201)]
    assert set(await asyncio.gather(*(chain.ask(key_hash) for key_hash in hashes))) == {"found 1"}
    assert chain.source.loads == 200
    chain.resolver.subscribed()
    assert set(await asyncio.gather(*(chain.ask(key_hash) for key_hash in hashes))) == {"found 1"}
    assert chain.source.loads == 200


async def test_a_caller_who_leaves_does_not_end_the_load_of_the_others(chain: Chain, people: People) -> None:
    key = await people.issue()
    chain.source.gate.clear()
    first, second = (asyncio.create_task(chain.ask(key.hash)) for _ in range(2))
    await until(lambda: chain.source.loads == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    chain.source.gate.set()
    assert await second == "found 1"
    assert chain.source.loads == 1


@pytest.mark.parametrize("message", ["key", "*", "subscribed"])
async def test_an_invalidation_is_obeyed_at_once(chain: Chain, people: People, redis: aio.Redis, message: str) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    await people.disable(key)
    await apply_outbox(chain.pool, redis)
    send(chain.resolver, key.hash, message)
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "nothing"
    assert await chain.ask(key.hash) == "disabled 2"


async def test_a_message_about_models_or_another_key_evicts_nothing(chain: Chain, people: People) -> None:
    key = await people.issue()
    await chain.ask(key.hash)
    for message in ("models", NO_SUCH, ""):
        chain.resolver.invalidate(message)
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "found 1"


async def test_a_new_key_is_not_hidden_by_its_negative_answer(chain: Chain, people: People) -> None:
    key = await people.issue()
    await people.execute("UPDATE api_keys SET key_hash = repeat('f', 64)")
    assert await chain.ask(key.hash) == "unknown"
    await people.execute("UPDATE api_keys SET key_hash = $1", key.hash)
    assert await chain.ask(key.hash) == "unknown"
    chain.resolver.invalidate(key.hash)
    assert await chain.ask(key.hash) == "found 1"


@pytest.mark.parametrize("message", ["key", "*", "subscribed"])
async def test_a_load_that_an_invalidation_overtook_is_not_kept(
    chain: Chain, people: People, redis: aio.Redis, message: str
) -> None:
    key = await people.issue()
    chain.source.gate.clear()
    before = asyncio.create_task(chain.ask(key.hash))
    await until(lambda: chain.source.read == 1)
    await people.disable(key)
    send(chain.resolver, key.hash, message)
    after = asyncio.create_task(chain.ask(key.hash))
    await until(lambda: chain.source.read == 2)
    chain.source.gate.set()
    assert await before == "found 1"
    assert await after == "disabled 2"
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "disabled 2"
    stored = await RedisRecordCache(redis).get(key.hash)
    assert stored is not None
    assert stored.version == 2


async def test_a_load_that_lands_after_the_one_that_replaced_it_is_not_kept(chain: Chain, people: People) -> None:
    chain.redis.cut()  # where the guard by version would hide the order
    key = await people.issue()
    chain.source.gate.clear()
    held = chain.source.gate
    before = asyncio.create_task(chain.ask(key.hash))
    await until(lambda: chain.source.read == 1)
    chain.source.gate = asyncio.Event()
    chain.source.gate.set()
    await people.disable(key)
    chain.resolver.invalidate(key.hash)
    assert await chain.ask(key.hash) == "disabled 2"
    held.set()
    await before
    assert word(chain.resolver.peek(key.hash, chain.clock())) == "disabled 2"


async def test_a_slow_load_cannot_undo_a_deletion(chain: Chain, people: People, redis: aio.Redis) -> None:
    key = await people.issue()
    chain.source.gate.clear()
    load = asyncio.create_task(chain.ask(key.hash))
    await until(lambda: chain.source.read == 1)
    await RedisRecordCache(redis).put(key.hash, Tombstone(2))  # and the push is lost
    chain.source.gate.set()
    assert await load == "unknown"
    assert await RedisRecordCache(redis).get(key.hash) == Tombstone(2)


async def test_guessing_neither_grows_memory_nor_pushes_out_a_key() -> None:
    source = MemoryRecordSource()
    source.records["real"] = a_record()
    cache: ProcessCache[int] = ProcessCache(size=1000, unknown_size=1000)
    resolver = memory_resolver(source, cache)
    await resolver.resolve("real")
    for start in range(0, 5_000, 500):
        await asyncio.gather(*(resolver.resolve(f"guess {n}") for n in range(start, start + 500)))
    assert len(cache) == 1001
    assert word(resolver.peek("real", 0.0)) == "found 1"


async def test_the_cache_of_keys_is_bounded_too() -> None:
    source = MemoryRecordSource()
    cache: ProcessCache[int] = ProcessCache(size=100, unknown_size=10)
    resolver = memory_resolver(source, cache)
    for n in range(300):
        source.records[f"{n}"] = a_record()
        assert word(await resolver.resolve(f"{n}")) == "found 1"
    assert len(cache) == 100


async def test_a_flood_of_guesses_is_cut_off_while_known_keys_are_still_reloaded() -> None:
    source = MemoryRecordSource()
    source.records["real"] = a_record()
    slow = SlowSource(source)
    clock, shared = [0.0], MemoryRecordCache()
    resolver: Resolver[int] = Resolver(
        slow,
        shared,
        lambda record: record.version,
        TenancyMetrics(),
        clock=lambda: clock[0],
        timeouts=UNHURRIED,
        concurrent_loads=2,
        waiting_loads=3,
    )
    assert word(await resolver.resolve("real")) == "found 1"
    slow.gate.clear()
    guesses = [asyncio.create_task(resolver.resolve(f"guess {n}")) for n in range(20)]
    await asyncio.sleep(0)
    await until(lambda: sum(guess.done() for guess in guesses) == 15)
    await until(lambda: slow.waiting == 2)
    clock[0] = 16.0
    shared.stored.clear()
    real = asyncio.create_task(resolver.resolve("real"))
    await until(lambda: slow.waiting == 3)
    slow.gate.set()
    assert word(await real) == "found 1"
    words = [word(await guess) for guess in guesses]
    assert (words.count("unknown"), words.count("unavailable")) == (5, 15)
    await resolver.close()


async def test_nobody_waits_longer_than_the_deadline_for_a_turn() -> None:
    slow = SlowSource(MemoryRecordSource())
    slow.gate.clear()
    resolver: Resolver[int] = Resolver(
        slow, MemoryRecordCache(), lambda record: record.version, TenancyMetrics(), concurrent_loads=1
    )
    began = asyncio.get_running_loop().time()
    words = [word(answer) for answer in await asyncio.gather(*(resolver.resolve(f"{n}") for n in range(10)))]
    assert set(words) == {"unavailable"}
    assert asyncio.get_running_loop().time() - began < 5
    await resolver.close()


class SlowSource:
    """Answers only while its gate is open."""

    def __init__(self, source: MemoryRecordSource) -> None:
        self._source, self.waiting, self.gate = source, 0, asyncio.Event()
        self.gate.set()

    async def load(self, key_hash: str) -> KeyRecord | None:
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        return await self._source.load(key_hash)

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        return await self._source.load_many(key_hashes)


def memory_resolver(source: RecordSource, cache: ProcessCache[int]) -> Resolver[int]:
    return Resolver(
        source, MemoryRecordCache(), lambda record: record.version, TenancyMetrics(), cache=cache, clock=lambda: 0.0
    )


def send(resolver: Resolver[int], key_hash: str, message: str) -> None:
    if message == "subscribed":
        resolver.subscribed()
    else:
        resolver.invalidate(key_hash if message == "key" else message)
