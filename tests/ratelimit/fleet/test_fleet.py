"""Ten sidecars on a real Redis share a capacity as one would: by the weights of tenants, wherever they ask.

Registers and reporters are the product's; the clock and the model server are the test's."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from ratelimit.fairness.floor import Full, Terms
from ratelimit.fairness.pools import UNBOUNDED, Room
from ratelimit.fleet.identity import Identity
from ratelimit.fleet.reporter import Reporter
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from ratelimit.in_flight import InFlight
from ratelimit.life import Life, Load
from ratelimit.metrics import RatelimitMetrics
from ratelimit.scheduler import Scheduler
from store.redis import open_redis_async
from tenancy.directory.capacity import Capacity
from tenancy.redis.capacity import put_capacity
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy

if TYPE_CHECKING:
    Client = aio.Redis | aio.RedisCluster

STEP, ROUND = 0.05, 0.25  # seconds
SETTLED = 4.0
INPUT = 10


@dataclass
class Crowd:
    """Requests of one tenant, a number at each of some sidecars all the time, each of the same number of tokens."""

    policy: Policy
    at: tuple[int, ...]
    count: int = 20
    tokens: int = 20
    model: str = "m"
    had: int = 0


@dataclass
class Asked:
    """One request: implements life.Caller."""

    fleet: "Fleet"
    crowd: Crowd
    sidecar: int
    life: Life = field(init=False)

    def turn(self) -> None:
        self.fleet.begins(self)

    def give_up(self, full: Full) -> None:
        raise AssertionError(full)


class Fleet:
    """Some sidecars.  A place writes 100 tokens a second."""

    def __init__(self, client: "Client", size: int, *crowds: Crowd) -> None:
        self.now, self.crowds, self.most = 0.0, crowds, dict.fromkeys(("", "m", "other"), 0)
        self.running: list[tuple[float, str, Asked]] = []
        self.registers, self.reporters = [], []
        for number in range(size):
            in_flight = InFlight(scheduler=Scheduler(Terms(1e9, 10**6, 10**6), clock=lambda: self.now))
            self.registers.append(in_flight)
            self.reporters.append(
                Reporter(
                    Identity(f"sidecar-{number}", "host", "1", "2026-01-01T00:00:00Z"),
                    RedisReports(client, 60.0),
                    in_flight,
                    RatelimitMetrics(),
                    available=lambda: True,
                    queued=partial(lambda one: one.waiting, in_flight),
                    gone=partial(ended_leases, client),
                    restore=self._restore,
                    lease_seconds=600.0,
                    clock=lambda: self.now,
                )
            )

    async def _restore(self) -> None:
        raise AssertionError("the capacity is there")

    async def begin(self, rooms: dict[str, Room] | None = None) -> None:
        for _ in range(2):
            await self._report()
        for register in self.registers:
            register.sharing.agree(rooms or {}, {})
        await self._report()
        for crowd in self.crowds:
            for sidecar in crowd.at:
                for _ in range(crowd.count):
                    self._ask(crowd, sidecar)

    async def run(self, seconds: float) -> None:
        """From now on, what each crowd `had`."""
        for crowd in self.crowds:
            crowd.had = 0
        until, report_at = self.now + seconds, self.now
        while self.now < until:
            self.now += STEP
            while self.running and self.running[0][0] <= self.now:
                _, _, asked = heappop(self.running)
                self.registers[asked.sidecar].end(asked.life.lease_id, INPUT + 2 * asked.crowd.tokens)
                asked.crowd.had += INPUT + 2 * asked.crowd.tokens
                self._ask(asked.crowd, asked.sidecar)
            if self.now >= report_at:
                report_at += ROUND
                await self._report()
            for model in self.most:
                running = sum(not model or each[2].crowd.model == model for each in self.running)
                self.most[model] = max(self.most[model], running)

    async def _report(self) -> None:
        for reporter in self.reporters:
            await reporter.report()

    def _ask(self, crowd: Crowd, sidecar: int) -> None:
        asked, lease_id = Asked(self, crowd, sidecar), mint_lease_id(time.time_ns() // 1_000_000)
        load, register = Load(crowd.model, INPUT, 10_000), self.registers[sidecar]
        entered = register.enter(lease_id, crowd.policy, load=load)
        asked.life = entered or Life(lease_id, crowd.policy, 0, load)
        if entered:
            self.begins(asked)
        else:
            assert register.queue(asked.life, asked, UNBOUNDED) is None

    def begins(self, asked: Asked) -> None:
        register = self.registers[asked.sidecar]
        assert register.admit(asked.life)
        heappush(self.running, (self.now + asked.crowd.tokens / 100, asked.life.lease_id, asked))


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


def tenant(name: str, weight: int = 100, group: str = "default") -> Policy:
    return Policy(name, "k", fairshare_group=group, weight=weight)


async def bound(client: "Client", total: int | None) -> None:
    assert await put_capacity(client, Capacity(None, total, 2))


async def test_a_tenant_in_ten_sidecars_gets_no_more_than_one_in_one(client: "Client") -> None:
    """Within 5 % over 10 s; however long the answers, and though they meet in one sidecar only."""
    await bound(client, 40)
    ten, one = Crowd(tenant("ten"), tuple(range(10))), Crowd(tenant("one"), (3,), 40, tokens=50)
    fleet = Fleet(client, 10, ten, one)
    await fleet.begin()
    await fleet.run(SETTLED)
    await fleet.run(10)
    assert ten.had / one.had == pytest.approx(1, rel=0.05)
    assert ten.had + one.had > 0.95 * 40 * 10 * 100
    assert fleet.most[""] <= 40


async def test_weights_hold_between_tenants_who_never_meet(client: "Client") -> None:
    await bound(client, 12)
    large, small = Crowd(tenant("large", 500), (0,)), Crowd(tenant("small", 50), (1, 2))
    fleet = Fleet(client, 3, large, small)
    await fleet.begin()
    await fleet.run(SETTLED)
    await fleet.run(20)
    assert large.had / small.had == pytest.approx(10, rel=0.05)
    assert fleet.most[""] <= 12


async def test_a_model_has_one_bound_in_all_sidecars(client: "Client") -> None:
    """It is shared by weight there, and beside it the others are not held up."""
    await bound(client, None)
    large, small = Crowd(tenant("large", 300), (0,)), Crowd(tenant("small", 100), (1, 2))
    other = Crowd(tenant("other"), (2,), model="other")
    fleet = Fleet(client, 3, large, small, other)
    await fleet.begin({"m": Room(8)})
    await fleet.run(SETTLED)
    await fleet.run(10)
    assert large.had / small.had == pytest.approx(3, rel=0.05)
    assert large.had + small.had > 0.95 * 8 * 10 * 100
    assert other.had > 0.95 * other.count * 10 * 100
    assert fleet.most["m"] <= 8
