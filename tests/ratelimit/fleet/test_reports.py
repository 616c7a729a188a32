"""Shares of the bound on all sidecars: never more than the bound together, and they follow demand."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from ratelimit.budgets.keys import lease_key, leases_key
from ratelimit.fleet.report import Told
from ratelimit.fleet.reporter import bound_of
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from ratelimit.in_flight import InFlight
from ratelimit.life import Life
from ratelimit.roll import Running, by_group, most
from ratelimit.scheduler import Bound
from store.redis import open_redis_async
from tenancy.directory.capacity import Capacity
from tenancy.redis.capacity import put_capacity
from tenancy.redis.names import CAPACITY_KEY, SHARES_KEY, SIDECARS_KEY, redis_key_sidecar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy
from tests.ratelimit.reported import report

if TYPE_CHECKING:
    Client = aio.Redis | aio.RedisCluster


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


class Fleet:
    """Sidecars that report by hand."""

    def __init__(self, client: "Client") -> None:
        self._reports = RedisReports(client, 60.0)
        self.shares: dict[str, int] = {}

    async def report(self, name: str, in_flight: int, *, short: bool = False) -> Told:
        told = await self._reports.leave(report(name, in_flight=in_flight), short=short)
        assert told.share is not None
        self.shares[name] = told.share
        return told

    async def settle(self, rounds: int = 4, *, short: tuple[str, ...] = (), **in_flight: int) -> dict[str, int]:
        for _ in range(rounds):
            for name, count in in_flight.items():
                await self.report(name, count, short=name in short)
        return self.shares


async def bound(client: "Client", total: int | None, own: int | None = None, version: int = 2) -> None:
    assert await put_capacity(client, Capacity(own, total, version))


async def test_without_a_bound_there_are_no_shares(client: "Client") -> None:
    told = await RedisReports(client).leave(report("a"), short=False)
    assert (told.capacity, told.share, told.waiting) == (None, None, False)
    await bound(client, None, 5)
    told = await RedisReports(client).leave(report("a"), short=False)
    assert (told.share, told.capacity) == (None, Capacity(5, None, 2))


async def test_while_nobody_is_short_all_is_handed_out(client: "Client") -> None:
    await bound(client, 64)
    assert await Fleet(client).settle(a=0) == {"a": 64}
    assert await Fleet(client).settle(a=0, b=0) == {"a": 32, "b": 32}
    assert await Fleet(client).settle(a=40, b=0) == {"a": 52, "b": 12}


async def test_one_that_is_short_gets_all_but_the_headroom_of_the_idle(client: "Client") -> None:
    await bound(client, 64)
    fleet = Fleet(client)
    assert await fleet.settle(a=0, b=30, short=("b",)) == {"a": 8, "b": 56}


async def test_two_that_are_short_get_half_each_once_the_first_gives_up_its_part(client: "Client") -> None:
    await bound(client, 64)
    fleet = Fleet(client)
    await fleet.settle(a=56, b=0, short=("a",))
    told = await fleet.report("b", 8, short=True)
    assert (told.share, told.waiting) == (8, True)
    await fleet.report("a", 56, short=True)  # its share is now 32, but it still runs 56
    assert (await fleet.report("b", 8, short=True)).share == 8
    await fleet.report("a", 40, short=True)
    assert (await fleet.report("b", 8, short=True)).share == 24
    assert await fleet.settle(a=32, b=30, short=("a", "b")) == {"a": 32, "b": 32}


async def test_a_lowered_bound_is_kept_to_as_requests_end(client: "Client") -> None:
    await bound(client, 64)
    fleet = Fleet(client)
    await fleet.settle(a=20, b=20)
    await bound(client, 10, version=3)
    assert await fleet.settle(a=20, b=20) == {"a": 0, "b": 0}
    assert await fleet.settle(a=3, b=3) == {"a": 5, "b": 5}


async def test_shares_stay_below_the_bound_on_the_sidecar(client: "Client") -> None:
    await bound(client, 100, 30)
    assert await Fleet(client).settle(a=10, b=0, short=("a",)) == {"a": 30, "b": 30}


async def test_shares_never_add_up_to_more_than_the_bound(client: "Client") -> None:
    fleet = Fleet(client)
    for version, total in enumerate((1, 2, 3, 7, 10, 100), 2):
        await bound(client, total, version=version)
        for round_ in range(6):
            for number, name in enumerate("abc"):
                short = (round_ + number) % 3 == 0
                await fleet.report(name, min(fleet.shares.get(name, 0), number * round_), short=short)
        assert sum(fleet.shares.values()) <= total
        assert sum(fleet.shares.values()) > 0


async def test_who_withdraws_or_falls_silent_gives_up_its_share(client: "Client") -> None:
    await bound(client, 10)
    fleet = Fleet(client)
    await fleet.settle(a=5, b=5, short=("a", "b"))
    await RedisReports(client).withdraw("a")
    assert (await fleet.report("b", 5, short=True)).share == 10
    await asyncio.sleep(0.1)
    told = await RedisReports(client, 0.05).leave(report("c"), short=True)
    assert told.share == 10


async def test_a_lease_that_is_no_more_is_found(client: "Client") -> None:
    for lease_id in ("here", "swept"):
        await client.set(lease_key("t", lease_id), "{}")
    await client.zadd(leases_key("t"), {"here": 2**50})
    assert await ended_leases(client, {"here": "t", "gone": "t", "swept": "t"}) == ["gone", "swept"]


@pytest.mark.parametrize(
    ("own", "share", "expected"),
    [
        (None, None, Bound()),
        (5, None, Bound(5)),
        (5, 9, Bound(5)),
        (9, 5, Bound(5, "all:in_flight")),
        (None, 0, Bound(0, "all:in_flight")),
    ],
)
def test_the_tighter_bound_binds(own: int | None, share: int | None, expected: Bound) -> None:
    assert bound_of(Capacity(own, 100), share) == expected


def test_the_bound_counts_what_has_not_ended() -> None:
    in_flight = InFlight()
    in_flight.bound = Bound(2)
    ids = [mint_lease_id(at) for at in (1, 2, 3)]
    assert [in_flight.enter(each, Policy("t", "k")) is not None for each in ids] == [True, True, False]
    assert len(in_flight) == 2
    in_flight.end(ids[0])
    in_flight.end(ids[0])
    in_flight.end("of another process")
    assert in_flight.enter(ids[2], Policy("t", "k"))
    assert ids_of(in_flight.older_than(100)) == ids[1:]


def ids_of(lives: list[Life]) -> list[str]:
    return [life.lease_id for life in lives]


def test_what_runs_is_told_by_age_tenant_and_group() -> None:
    policies = [Policy("a", "k", fairshare_group="x"), Policy("b", "k"), Policy("b", "other", weight=3)]
    running, in_flight = {mint_lease_id(at): policy for at, policy in enumerate(policies, 10)}, InFlight()
    for lease_id, policy in running.items():
        assert in_flight.enter(lease_id, policy)
    assert ids_of(in_flight.older_than(12)) == list(running)[:2]
    assert most(in_flight.tenants(), 5) == [Running(policies[2], 2), Running(policies[0], 1)]
    assert most(in_flight.tenants(), 1) == [Running(policies[2], 2)]
    assert by_group(in_flight.tenants()) == [("default", 2, 0), ("x", 1, 0)]
    in_flight.end_all(running)
    assert (len(in_flight), in_flight.tenants(), in_flight.older_than(100)) == (0, [], [])


def test_what_is_known_of_is_bounded() -> None:
    in_flight, ids = InFlight(most_known=2), [mint_lease_id(at) for at in (1, 2, 3, 4)]
    for lease_id in ids[:3]:
        assert in_flight.enter(lease_id, Policy("t", "k"))
    assert ids_of(in_flight.older_than(100)) == ids[1:3]
    assert [tenant.count for tenant in in_flight.tenants()] == [2]
    in_flight.bound = Bound(1)
    assert not in_flight.enter(ids[3], Policy("t", "k"))


async def test_what_cannot_be_read_stops_no_other_sidecars_report(client: "Client") -> None:
    fleet = Fleet(client)
    await bound(client, 10)
    await fleet.settle(a=1, b=1)
    await client.hset(SHARES_KEY, "a", "x")
    await fleet.report("b", 1)
    assert 0 < fleet.shares["b"] <= 10
    await client.set(redis_key_sidecar("a"), "[]")
    await client.delete(redis_key_sidecar("c"))
    await client.hset(redis_key_sidecar("c"), "x", "y")
    await client.zadd(SIDECARS_KEY, {"c": 9e15})
    overview = await RedisReports(client).overview()
    assert [aged.report.sidecar for aged in overview.reports] == ["b"]


@pytest.mark.parametrize("text", ["x", "[]", "7", '{"version": 1}'])
async def test_a_capacity_that_cannot_be_read_counts_as_lost(client: "Client", text: str) -> None:
    """So that the sidecars go on by the last one, and put it back."""
    await client.set(CAPACITY_KEY, text)
    told = await RedisReports(client).leave(report("a"), short=False)
    assert told.capacity is None
    assert (await RedisReports(client).overview()).capacity is None
    await bound(client, 5)
    assert (await RedisReports(client).leave(report("a"), short=False)).share == 5
