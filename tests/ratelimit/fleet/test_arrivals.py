"""Sidecars tell each other through a real Redis which bodies have arrived: what does not come is counted, and nobody is
refused since others have not told yet, or cannot."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from authz.bodies import Bodies
from ratelimit.fleet.arrivals import ITEMS_A_ROUND, LATE_SECONDS, MAX_WAITING, Arrivals
from ratelimit.fleet.arrivals_redis import (
    ARRIVED,
    MAX_SERVICE,
    OVER,
    SILENT_SECONDS,
    Item,
    RedisArrivals,
    packed,
    unpacked,
)
from store.redis import open_redis_async
from tenancy.redis.names import ARRIVALS_KEY, SIDECARS_KEY, TELLERS_KEY
from tenancy.values.lease_id import mint_lease_id
from tests.proxy import TcpProxy
from tollkeeper.up.valkey import Valkey

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

MOST = 64  # of one sidecar, of which a tenant may have 16; of two that share an Envoy 8 in each
STEP = 0.25


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


class Sidecar:
    """One that reports; its clock is the test's."""

    def __init__(self, client: "Client", name: str) -> None:
        self.name, self.now, self.ended = name, 100.0, list[str]()
        self.bodies, self.client = Bodies(MOST), client
        self.bodies.count(False)
        self.arrivals = Arrivals(
            RedisArrivals(client, name),
            self.bodies,
            heard=lambda items: self.ended.extend(item.lease_id for item in items),
            unheard=lambda: self.ended.append("unheard"),
            shared=self.bodies.shared_by,
            clock=lambda: self.now,
        )

    async def report(self) -> None:
        time, micros = await self.client.time()
        await self.client.zadd(SIDECARS_KEY, {self.name: time * 1000 + micros // 1000})

    def begin(self, tenant_id: str, count: int) -> list[str]:
        """As many as it may: their ids."""
        begun = []
        for _ in range(count):
            if not self.bodies.full(tenant_id, self.now):
                begun.append(mint_lease_id(0))
                self.bodies.begin(begun[-1], tenant_id, self.now)
        return begun

    def came(self, lease_ids: list[str]) -> None:
        """ratelimit is asked here."""
        for lease_id in lease_ids:
            if not self.bodies.arrived([lease_id], self.now):
                self.arrivals.tell(lease_id, ARRIVED)


async def rounds(*sidecars: Sidecar, count: int = 1) -> None:
    for _ in range(count):
        for each in sidecars:
            each.now += STEP
            await each.report()
            await each.arrivals.round()


async def two(client: "Client") -> tuple[Sidecar, Sidecar]:
    """Behind one Envoy, and they know it."""
    first, second = Sidecar(client, "first"), Sidecar(client, "second")
    await rounds(first, second, count=4)
    second.came(first.begin("other", 1))
    first.came(second.begin("other", 1))
    await rounds(first, second, count=4)
    return first, second


async def test_what_does_not_come_counts_once_the_others_have_told_of_what_did(client: "Client") -> None:
    first, second = await two(client)
    slow = first.begin("slow", 30)
    assert len(slow) == 30, "the other may know by now that they are there"
    await rounds(first, second, count=4)
    assert first.begin("slow", 1) == []
    assert len(first.begin("other", 1)) == 1
    second.came(slow[:25])
    await rounds(first, second, count=2)
    assert len(first.begin("slow", 1)) == 1
    assert set(slow[:25]) < set(first.ended)


async def test_each_of_those_behind_one_envoy_has_its_part(client: "Client") -> None:
    first, second = await two(client)
    alone = Sidecar(client, "of another Envoy")
    for each in (first, alone):
        await rounds(first, second, alone, count=2)
        alone.came(alone.begin("other", 1))
        assert len(each.begin("slow", 12)) == 12
    await rounds(first, second, alone, count=5)
    assert (len(first.begin("slow", 1)), len(alone.begin("slow", 1))) == (0, 1)


async def test_nobody_is_refused_whose_bodies_come_elsewhere_however_late_that_is_told(client: "Client") -> None:
    first, second = await two(client)
    for number in range(40):
        begun = first.begin("steady", 100)
        assert len(begun) == 100
        second.came(begun)
        await rounds(first)
        if number % 5 == 0:
            await rounds(second)
    assert "unheard" not in first.ended


async def test_without_redis_nothing_counts_and_then_what_begins_from_then_on(valkey: Valkey, redis_url: str) -> None:
    proxy = TcpProxy(valkey.port)
    client = open_redis_async(f"redis://127.0.0.1:{proxy.port}", timeout=0.2)
    first, second = await two(client)
    slow = first.begin("slow", 20)
    await rounds(first, second, count=5)
    assert first.begin("slow", 1) == []
    proxy.cut()
    for each in (first, second):
        each.now += LATE_SECONDS + 1.0
        await each.arrivals.round()
    assert len(first.begin("slow", 100)) == 100
    assert first.ended[-1] == "unheard"
    second.came(slow)
    proxy.restore()
    await rounds(first, second, count=4)
    assert set(slow) < set(first.ended), "what waited is told"
    assert len(first.begin("slow", 20)) == 20
    second.came(first.begin("other", 1))
    await rounds(first, second, count=5)
    assert first.begin("slow", 1) == []
    await client.aclose()
    proxy.close()


@pytest.mark.parametrize("how", ["killed", "flushed", "beside one of a version before", "too many"])
async def test_what_may_never_be_told_does_not_count(client: "Client", how: str) -> None:
    first, second = await two(client)
    first.begin("slow", 20)
    await rounds(first, second, count=5)
    assert first.begin("slow", 1) == []
    if how == "killed":  # what it was told of, it told nobody
        await client.hset(TELLERS_KEY, "second", "0 1")
    elif how == "flushed":
        await client.flushall()
    elif how == "beside one of a version before":
        old = Sidecar(client, "old")
        await old.report()
    else:
        second.came([mint_lease_id(0) for _ in range(MAX_WAITING + 1)])
        await rounds(second)
    await rounds(first)
    assert len(first.begin("slow", 20)) == 20


async def test_who_leaves_tells_the_rest_and_is_not_missed(client: "Client") -> None:
    first, second = await two(client)
    slow = first.begin("slow", 20)
    await rounds(first, second, count=5)
    second.came(slow[:15])
    await RedisArrivals(client, "second").leave([Item(lease_id, ARRIVED) for lease_id in slow[:15]])
    await client.zrem(SIDECARS_KEY, "second")
    await rounds(first, count=2)
    assert "unheard" not in first.ended
    assert set(slow[:15]) < set(first.ended)
    assert len(first.begin("slow", 100)) > 0


async def test_one_that_nobody_asks_over_tcp_holds_up_nobody(client: "Client") -> None:
    first, second = await two(client)
    quiet = Sidecar(client, "quiet")
    await quiet.report()
    await RedisArrivals(client, "quiet").stay_quiet()
    first.begin("slow", 20)
    await rounds(first, second, count=5)
    assert first.begin("slow", 1) == []


async def test_a_round_is_bounded_and_so_is_what_is_kept(client: "Client") -> None:
    first, second = await two(client)
    many = [mint_lease_id(0) for _ in range(3 * ITEMS_A_ROUND)]
    second.came(many)
    await rounds(second)
    assert len(first.ended) == 1
    await rounds(first)
    assert len(first.ended) == 1 + ITEMS_A_ROUND
    await rounds(second, first, count=3)
    assert set(many) <= set(first.ended)
    assert await client.pttl(ARRIVALS_KEY) > SILENT_SECONDS


def test_items_are_packed_and_unpacked() -> None:
    items = [Item(mint_lease_id(number), what) for number, what in enumerate((0, 17, MAX_SERVICE, OVER, ARRIVED))]
    assert unpacked(packed(items)) == items
    assert unpacked(packed([])) == []
