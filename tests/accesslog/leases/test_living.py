"""Envoys that are lost together with their sidecars, as those that are left find out."""

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from accesslog.leases.gone import GoneEnvoys
from accesslog.leases.living import REPLACED_SECONDS, TELLS_SECONDS, LivingEnvoys
from accesslog.metrics import AccessLogMetrics
from accesslog.streams import Streams
from ratelimit.budgets.port import LeaseName
from ratelimit.fleet.envoys_redis import RedisEnvoys, Said, Silent
from ratelimit.in_flight import InFlight
from ratelimit.journal import Entry
from store.redis import open_redis_async
from tenancy.redis.names import ENVOY_LOOKS_KEY, ENVOYS_GONE_KEY, ENVOYS_KEY, ENVOYS_OPEN_KEY
from tenancy.values.lease_id import mint_lease_id
from tests.ratelimit.budgets.asking import reserve
from tests.ratelimit.stores import Store, account, memory_store, tokens

if TYPE_CHECKING:
    from redis import asyncio as aio

    Client = aio.Redis | aio.RedisCluster

DEAD, LIVING, NEW = "1a2b", "3c4d", "5e6f"
SILENT = 10_000
NOBODY = Said(())


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


async def pass_time(client: "Client", ms: int) -> None:
    """As if nobody had said anything for so long, though somebody has looked."""
    for key in (ENVOYS_KEY, ENVOYS_OPEN_KEY):
        names: Any = await client.zrange(key, 0, -1)
        for name in names:
            await client.zincrby(key, -ms, name)
    await client.hincrby(ENVOY_LOOKS_KEY, "since", -ms)


async def test_of_whom_nobody_hears_any_more_is_gone_and_given_to_one(client: "Client") -> None:
    registry = RedisEnvoys(client)
    await registry.tell(Said({DEAD, LIVING}))
    await pass_time(client, SILENT + 1)
    assert set((await registry.tell(Said({LIVING}))).given) == {DEAD}
    assert [set(part) for part in await registry.tell(NOBODY)] == [set(), {DEAD}]
    await pass_time(client, 31_000)
    assert set((await registry.tell(Said({LIVING}))).given) == {DEAD}, "who was given it had died"
    await registry.tell(Said({LIVING}, done=[DEAD]))
    await pass_time(client, 31_000)
    assert (await registry.tell(Said({LIVING}))).given == {}
    assert await registry.known() == {LIVING}


async def test_nobody_is_gone_as_long_as_one_takes_it_for_alive_or_nobody_has_looked(client: "Client") -> None:
    registry = RedisEnvoys(client)
    await registry.tell(Said({DEAD}))
    await pass_time(client, SILENT + 1)
    assert await registry.tell(Said((), alive={DEAD})) == Silent({}, {})
    assert await registry.tell(NOBODY) == Silent({}, {})
    await registry.tell(Said((), alive={NEW}))
    assert await registry.known() == {DEAD, NEW}, "of whom nobody has heard before is not forgotten for that"
    await client.hincrby(ENVOY_LOOKS_KEY, "looked_at", -60_000)  # Redis was away
    await pass_time(client, 60_000)
    assert await registry.tell(NOBODY) == Silent({}, {})


async def test_who_is_heard_of_again_is_not_gone(client: "Client") -> None:
    registry = RedisEnvoys(client)
    await registry.tell(Said({DEAD}))
    await pass_time(client, 3_000)
    assert (await registry.tell(Said((), gone={DEAD}))).all == {}, "somebody has just heard of it"
    await pass_time(client, 3_000)
    assert set((await registry.tell(Said((), gone={DEAD}))).all) == {DEAD}
    assert await registry.tell(Said({DEAD})) == Silent({}, {})
    assert await client.zcard(ENVOYS_GONE_KEY) == 0


class Known:
    """A registry of somebody else, which says what it is told to."""

    def __init__(self, *known: str) -> None:
        self.names, self.said, self.answer = set(known), list[Said](), Silent({}, {})

    async def known(self) -> set[str] | None:
        return self.names

    async def tell(self, said: Said) -> Silent:
        self.said.append(said)
        return self.answer


class Process:
    """One that has begun in place of another."""

    def __init__(self, registry: Known, store: Store, *inherited: str) -> None:
        self.now, self.asked, self.in_flight = 0.0, set[str](), InFlight()
        self.in_flight.inherit([Entry(lease_id, "acme", "", answered=True) for lease_id in inherited])
        streams = Streams(time.time)
        self.gone = GoneEnvoys(streams, self.in_flight, store.budgets, None, lambda: False)
        self.living = LivingEnvoys(
            registry,
            streams,
            lambda: self.asked,
            self.in_flight,
            self.gone,
            store.budgets,
            AccessLogMetrics(),
            clock=lambda: self.now,
        )

    async def at(self, now: float, *asked: str) -> None:
        self.now, self.asked = now, set(asked)
        await self.living.look()


async def test_what_is_inherited_lives_until_another_is_in_its_place() -> None:
    registry = Known(DEAD, LIVING)
    process = Process(registry, memory_store(), mint_lease_id(1, DEAD))
    await process.at(0.0, LIVING)
    await process.at(REPLACED_SECONDS + 1, LIVING)
    assert registry.said[-1] == Said({LIVING}, {DEAD}, set()), "another that was there before tells nothing"
    await process.at(20.0, NEW)
    await process.at(20.0 + REPLACED_SECONDS + 1, NEW)
    assert registry.said[-1] == Said({NEW}, {LIVING}, {DEAD})


async def test_what_is_inherited_and_not_heard_of_is_not_taken_for_alive_for_ever() -> None:
    registry = Known(DEAD)
    process = Process(registry, memory_store(), mint_lease_id(1, DEAD), mint_lease_id(1, LIVING))
    await process.at(0.0)
    await process.at(TELLS_SECONDS - 1, LIVING)
    assert registry.said[-1] == Said({LIVING}, {DEAD}, set())
    await process.at(TELLS_SECONDS + 1)
    assert registry.said[-1] == Said(set(), {LIVING}, set())


async def test_all_that_ran_through_one_that_is_gone_is_over_once() -> None:
    store, registry = memory_store(), Known()
    old, new = (mint_lease_id(time.time_ns() // 1_000_000 + ms, DEAD) for ms in (-60_000, 60_000))
    other = mint_lease_id(time.time_ns() // 1_000_000 - 60_000, LIVING)
    for lease_id in (old, new, other):
        reserve(store, account(tokens(100)), 1, lease_id)
    process = Process(registry, store, old, other)
    registry.answer = Silent({DEAD: 1.0}, {DEAD: 1.0})
    await process.at(0.0)
    assert [orphan.lease_id for orphan in store.budgets.orphans(10)] == [old]
    assert {name for page in store.budgets.running() for name in page} == {
        LeaseName("acme", new),
        LeaseName("acme", other),
    }
    registry.answer = Silent({}, {DEAD: 2.0})
    await process.at(1.0)
    assert registry.said[-1].done == (DEAD,)
