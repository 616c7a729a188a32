"""What sidecars tell each other of what tenants were served."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from ratelimit.fleet.reports_redis import RedisReports
from ratelimit.fleet.served import MOST_UNTOLD, WINDOW_SECONDS, Exchange, LatelyServed
from ratelimit.scheduler import Served
from store.redis import open_redis_async
from tests.ratelimit.reported import report

if TYPE_CHECKING:
    Client = aio.Redis | aio.RedisCluster

A, B = ("default", "a"), ("paid", "b")


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


def test_what_was_served_lately_fades_as_a_whole() -> None:
    lately = LatelyServed()
    lately.add({A: 100, B: 20}, 0.0)
    lately.add({A: -30}, 1.0)
    assert (lately.of_tenant(*A), lately.of_groups()) == (70, {"default": 70, "paid": 20})
    lately.add({}, WINDOW_SECONDS)
    assert (lately.of_tenant(*A), lately.of_groups()) == (0, {"default": 0})
    lately.add({}, WINDOW_SECONDS + 1)
    assert lately.of_groups() == {}


class Sidecar:
    """What one process does in each round."""

    def __init__(self, client: "Client", name: str, most: int = 10) -> None:
        self.name, self.reports, self.exchange = name, RedisReports(client), Exchange(most)

    async def round(self, served: Served, *present: tuple[str, str]) -> Served:
        """What it hears of the others."""
        self.exchange.add(served)
        told = self.exchange.to_tell(dict.fromkeys(present, 0))
        found = await self.reports.leave(report(self.name), short=False, served=told)
        return self.exchange.heard(told, found.totals, found.period)


async def test_each_hears_what_its_tenants_had_elsewhere_once(client: "Client") -> None:
    first, second = Sidecar(client, "1"), Sidecar(client, "2")
    assert await first.round({A: 10}, A) == {}
    assert await second.round({}, A) == {}  # what came before it
    assert await first.round({A: 5, B: 7}, A) == {}
    assert await second.round({A: 1}, A) == {A: 5}
    assert await second.round({}, A) == {}
    assert await first.round({}, A) == {A: 1}
    await second.round({A: -4}, A)
    assert await first.round({A: 100}, A) == {A: -4}


async def test_what_finds_no_room_in_a_report_is_told_with_the_next(client: "Client") -> None:
    first, second = Sidecar(client, "1", most=1), Sidecar(client, "2")
    await second.round({}, A, B)
    await first.round({A: 10, B: 3})
    assert await second.round({}, A, B) == {A: 10}
    await first.round({})
    assert await second.round({}, A, B) == {B: 3}


def test_what_nobody_can_be_told_is_bounded() -> None:
    exchange = Exchange(MOST_UNTOLD + 5)
    exchange.add({("default", f"{number}"): number + 1 for number in range(MOST_UNTOLD + 3)})
    told = exchange.to_tell({})
    assert len(told) == MOST_UNTOLD
    assert min(told.values()) == 4


async def test_totals_end_with_their_period(client: "Client") -> None:
    await Sidecar(client, "1").round({A: 10}, A)
    (key,) = await client.keys("*:served-*")
    assert 0 < await client.pttl(key) <= 606_000
