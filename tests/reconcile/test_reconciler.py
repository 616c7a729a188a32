"""The loop: it goes on whatever fails, and says what the store does not promise."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconcile.metrics import EVICTS, FORGETS
from store.durability import Durability, durability_of
from store.redis import open_redis_async
from tenancy.values.limit import Kind
from tests.reconcile.conftest import PACE, Place
from tollkeeper.up.valkey import Valkey


@pytest.fixture
def own_valkey(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey", None, *request.param)
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("own_valkey", "expected"),
    [
        ((), Durability(False, False)),
        (("--appendonly", "no"), Durability(False, True)),
        (("--appendonly", "no", "--save", "60 1"), Durability(False, False)),
        (("--maxmemory", "100mb", "--maxmemory-policy", "noeviction"), Durability(False, False)),
        (("--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"), Durability(True, False)),
        (("--maxmemory-policy", "allkeys-lru"), Durability(False, False)),
        (("--appendonly", "no", "--rename-command", "CONFIG", ""), Durability(False, None)),
    ],
    indirect=["own_valkey"],
)
async def test_a_store_that_may_lose_budgets_is_known(own_valkey: Valkey, expected: Durability) -> None:
    client = open_redis_async(own_valkey.url, timeout=5.0)
    try:
        assert await durability_of(client) == expected
    finally:
        await client.aclose()


@pytest.mark.parametrize("own_valkey", [("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru")], indirect=True)
async def test_keys_that_a_store_has_dropped_are_counted(own_valkey: Valkey) -> None:
    client = open_redis_async(own_valkey.url, timeout=5.0)
    try:
        assert (await durability_of(client)).evicted == 0
        for number in range(10):
            await client.set(f"k{number}", b"x" * 500_000)
        assert (await durability_of(client)).evicted > 0
    finally:
        await client.aclose()


async def test_only_what_is_dropped_from_now_on_counts(place: Place) -> None:
    seen = [7, 7, 9, 2, 3]  # it was started again before the last but one

    async def durability() -> Durability:
        return Durability(True, False, seen.pop(0))

    place.reconciler._durability, place.reconciler._pace = durability, PACE._replace(audit=0.0)
    await place.round()  # restores
    for _ in range(5):
        await place.round()
    assert place.metrics.evictions.counts[""] == 3


async def test_what_the_store_does_not_promise_is_a_warning_and_a_metric(place: Place) -> None:
    """The tests' Valkey does not persist."""
    await place.round()
    await place.round()
    assert place.reconciler.warnings == ("redis_does_not_persist",)
    assert place.metrics.risks == {EVICTS: 0.0, FORGETS: 1.0}


async def test_the_loop_survives_what_fails_and_restores_as_soon_as_it_can(place: Place) -> None:
    assert place.reconciler.lost
    await place.limit(await place.tenant("acme"), kind=Kind.FIXED, window_seconds=3600)
    await place.pool.execute("ALTER TABLE usage RENAME TO gone")
    running = asyncio.create_task(place.reconciler.run())
    await _until(lambda: place.metrics.failures.counts[""] >= 3)
    assert place.reconciler.lost
    await place.pool.execute("ALTER TABLE gone RENAME TO usage")
    await _until(lambda: not place.reconciler.lost)
    place.redis.flushall()
    await _until(lambda: place.metrics.restored.counts[""] == 2)
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():  # noqa: ASYNC110 - polls what tells nobody
            await asyncio.sleep(0.01)
