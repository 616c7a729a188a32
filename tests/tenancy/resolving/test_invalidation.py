"""The invalidation listener on a real Redis that is cut, frozen, killed and started again."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import asyncio as aio

from tenancy.metrics import TenancyMetrics
from tenancy.outbox import apply_outbox
from tenancy.redis.invalidation import listen
from tenancy.resolving.catalog import KnownModels, ModelCatalog, ModelState
from tests.proxy import TcpProxy
from tests.tenancy.memory.stores import MemoryModelCache, MemoryModelSource
from tests.tenancy.people import People
from tests.tenancy.resolving.chain import open_chain, word
from tests.tenancy.waiting import until
from tollkeeper.up.valkey import Valkey

CHANNEL = "tollkeeper:invalidate"


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def subscribed(self) -> None:
        self.told.append("subscribed")

    def invalidate(self, message: str) -> None:
        self.told.append(message)


@asynccontextmanager
async def listening(url: str, *listeners: Heard) -> AsyncIterator[TenancyMetrics]:
    metrics = TenancyMetrics()
    task = asyncio.create_task(listen(url, listeners, metrics, quiet=0.2))
    try:
        yield metrics
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[TcpProxy]:
    proxy = TcpProxy(urlsplit(redis_url).port or 0)
    yield proxy
    proxy.close()


def through(proxy: TcpProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


async def test_every_listener_is_told_of_the_subscription_and_each_message(redis: aio.Redis, redis_url: str) -> None:
    one, two = Heard(), Heard()
    async with listening(redis_url, one, two) as metrics:
        await until(lambda: one.told == ["subscribed"])
        for message in ("aa", "*", "models", b"\xff"):
            await redis.publish(CHANNEL, message)
        await until(lambda: len(one.told) == 5)
    assert one.told == two.told == ["subscribed", "aa", "*", "models", "\N{REPLACEMENT CHARACTER}"]
    assert metrics.invalidations.counts[""] == 4


async def test_a_quiet_connection_is_kept(redis: aio.Redis, redis_url: str) -> None:
    heard = Heard()
    async with listening(redis_url, heard):
        await until(lambda: heard.told == ["subscribed"])
        await asyncio.sleep(1.0)  # five quiet periods
        await redis.publish(CHANNEL, "aa")
        await until(lambda: len(heard.told) == 2)
    assert heard.told == ["subscribed", "aa"]


async def test_a_cut_connection_is_subscribed_anew(redis: aio.Redis, proxy: TcpProxy) -> None:
    heard = Heard()
    async with listening(through(proxy), heard):
        await until(lambda: heard.told == ["subscribed"])
        proxy.cut()
        await asyncio.sleep(0.5)
        proxy.restore()
        await until(lambda: heard.told == ["subscribed"] * 2)
        await redis.publish(CHANNEL, "aa")
        await until(lambda: heard.told[-1] == "aa")


async def test_a_connection_whose_peer_is_silent_is_noticed(redis: aio.Redis, proxy: TcpProxy) -> None:
    heard = Heard()
    async with listening(through(proxy), heard):
        await until(lambda: heard.told == ["subscribed"])
        proxy.freeze()
        await asyncio.sleep(1.0)  # given up by now, and new ones hang too
        proxy.thaw()
        await until(lambda: heard.told.count("subscribed") == 2, 10)
        await redis.publish(CHANNEL, "aa")
        await until(lambda: heard.told[-1] == "aa")


async def test_a_listener_that_fails_costs_a_resubscription_not_the_task(redis: aio.Redis, redis_url: str) -> None:
    class Faulty(Heard):
        def invalidate(self, message: str) -> None:
            super().invalidate(message)
            if message == "bad":
                raise LookupError("a bug")

    heard = Faulty()
    async with listening(redis_url, heard):
        await until(lambda: heard.told == ["subscribed"])
        await redis.publish(CHANNEL, "bad")
        await until(lambda: heard.told == ["subscribed", "bad", "subscribed"])


async def test_redis_killed_and_started_again(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    heard = Heard()
    try:
        async with listening(server.url, heard):
            await until(lambda: heard.told == ["subscribed"])
            server.process.kill()
            await asyncio.sleep(0.3)
            server = Valkey(tmp_path, server.port)
            await until(lambda: heard.told == ["subscribed"] * 2)
            async with aio.Redis.from_url(server.url) as client:
                await client.publish(CHANNEL, "aa")
            await until(lambda: heard.told[-1] == "aa")
    finally:
        server.stop()


async def test_a_revocation_reaches_two_processes_within_a_second(
    database_url: str, redis_url: str, redis: aio.Redis, people: People
) -> None:
    key = await people.issue()
    async with open_chain(database_url, redis_url) as one, open_chain(database_url, redis_url) as two:
        metrics = TenancyMetrics()
        task = asyncio.create_task(listen(redis_url, (one.resolver, two.resolver), metrics))
        await until(lambda: metrics.subscriptions.counts[""] == 1)
        chains = (one, two)
        assert [await chain.ask(key.hash) for chain in chains] == ["found 1"] * 2
        await people.delete(key)
        await apply_outbox(one.pool, redis)
        await until(lambda: all(word(c.resolver.peek(key.hash, c.clock())) == "nothing" for c in chains), 1.0)
        assert [await chain.ask(key.hash) for chain in chains] == ["unknown"] * 2
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_model_catalog_follows_a_push(redis: aio.Redis, redis_url: str) -> None:
    source = MemoryModelSource()
    catalog = ModelCatalog(source, MemoryModelCache())
    run = asyncio.create_task(catalog.run())
    metrics = TenancyMetrics()
    task = asyncio.create_task(listen(redis_url, [catalog], metrics))
    await until(lambda: metrics.subscriptions.counts[""] == 1 and catalog.check("m1") is ModelState.KNOWN)
    source.models = KnownModels(1, {"m1": False})
    await redis.publish(CHANNEL, "models")
    await until(lambda: catalog.check("m1") is ModelState.DISABLED, 1.0)
    for each in (run, task):
        each.cancel()
    await asyncio.gather(run, task, return_exceptions=True)
