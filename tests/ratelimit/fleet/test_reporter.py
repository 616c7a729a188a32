"""The reporter on a real Redis: what it takes over, what it forgets, and a Redis that goes away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest
from redis import asyncio as aio

from ratelimit.budgets.keys import lease_key, leases_key
from ratelimit.fleet.identity import Identity
from ratelimit.fleet.reporter import DOUBT_MS, Reporter
from ratelimit.fleet.reports_redis import RedisReports, ended_leases
from ratelimit.in_flight import InFlight
from ratelimit.metrics import RatelimitMetrics
from ratelimit.scheduler import Bound
from store.redis import UNAVAILABLE, open_redis_async
from tenancy.directory.capacity import Capacity
from tenancy.redis.capacity import put_capacity
from tenancy.redis.names import CAPACITY_KEY
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy
from tests.proxy import TcpProxy
from tests.ratelimit.conftest import Slice
from tests.ratelimit.rls import ask
from tests.tenancy.waiting import until
from tollkeeper.up.valkey import Valkey

if TYPE_CHECKING:
    Client = aio.Redis | aio.RedisCluster

LEASE_SECONDS = 600.0
POLICY = Policy("t", "k", weight=7)


def ago(ms: int) -> str:
    return mint_lease_id(time.time_ns() // 1_000_000 - ms)


class Made:
    """A reporter with what it reports on; `truth` is what Postgres would say."""

    def __init__(self, client: "Client", name: str = "a") -> None:
        self.client, self.in_flight, self.truth = client, InFlight(), Capacity()
        self.reports = RedisReports(client)
        self.reporter = Reporter(
            Identity(name, "host", "1", "2026-01-01T00:00:00Z"),
            self.reports,
            self.in_flight,
            RatelimitMetrics(),
            available=lambda: True,
            queued=lambda: 3,
            gone=partial(ended_leases, client),
            restore=self._restore,
            lease_seconds=LEASE_SECONDS,
        )

    async def _restore(self) -> None:
        await put_capacity(self.client, self.truth)


@pytest.fixture
async def client(redis_url: str) -> "AsyncIterator[Client]":
    opened = open_redis_async(redis_url, timeout=1)
    yield opened
    await opened.aclose()


@pytest.fixture
def proxy(valkey: Valkey, redis_url: str) -> Iterator[TcpProxy]:
    between = TcpProxy(valkey.port)
    yield between
    between.close()


async def test_the_report_says_what_holds_once_it_holds(client: "Client") -> None:
    await put_capacity(client, Capacity(5, None, 4))
    made = Made(client)
    made.in_flight.enter(ago(0), POLICY)
    await made.reporter.report()
    (aged,) = (await made.reports.overview()).reports
    assert (aged.report.max_in_flight, aged.report.capacity_version, aged.report.in_flight) == (5, 4, 1)
    assert aged.report.queued == 3
    (tenant,) = aged.report.tenants
    assert (tenant.tenant_id, tenant.weight, tenant.in_flight, tenant.queued) == ("t", 7, 1, 0)


async def test_a_copy_that_redis_lost_is_brought_back_and_the_bound_stays_meanwhile(client: "Client") -> None:
    made = Made(client)
    made.truth = Capacity(5, None, 4)
    await made.reporter.report()
    await made.reporter.report()
    assert made.in_flight.bound == Bound(5)
    await client.delete(CAPACITY_KEY)
    await made.reporter.report()
    assert made.in_flight.bound == Bound(5)


async def test_what_ended_elsewhere_is_forgotten_and_what_runs_is_not(client: "Client") -> None:
    made = Made(client)
    old, new, expired = ago(DOUBT_MS + 1000), ago(1000), ago(int(LEASE_SECONDS * 1000) + 1000)
    runs = ago(DOUBT_MS + 2000)
    for lease_id in sorted((old, new, expired, runs)):
        made.in_flight.enter(lease_id, POLICY)
    long = ago(int(LEASE_SECONDS * 1000) + 2000)
    made.in_flight.enter(long, POLICY)
    for lease_id in (runs, long):  # the second was renewed
        await client.set(lease_key("t", lease_id), "{}")
        await client.zadd(leases_key("t"), {lease_id: 2**50})
    await made.reporter.report()
    assert {life.lease_id for life in made.in_flight.older_than(2**47)} == {new, runs, long}
    assert len(made.in_flight) == 3


async def test_a_change_is_taken_over_at_once(client: "Client") -> None:
    made = Made(client)
    made.truth = Capacity(None, None, 1)
    running = asyncio.create_task(made.reporter.run())
    overview = await made.reports.overview()
    while not overview.reports:
        overview = await made.reports.overview()
    await put_capacity(client, Capacity(3, None, 2))
    made.reporter.invalidate("capacity")
    await until(lambda: made.in_flight.bound == Bound(3), 0.9)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await made.reports.overview()).reports == []


async def test_while_redis_is_away_the_bound_stays(client: "Client", proxy: TcpProxy) -> None:
    through = open_redis_async(f"redis://127.0.0.1:{proxy.port}/0", timeout=0.3)
    await put_capacity(client, Capacity(5, None, 1))
    made = Made(through)
    await made.reporter.report()
    assert made.in_flight.bound == Bound(5)
    proxy.freeze()
    with pytest.raises(UNAVAILABLE):
        await made.reporter.report()
    assert made.in_flight.bound == Bound(5)
    proxy.cut()
    proxy.restore()
    await put_capacity(client, Capacity(4, None, 3))
    running = asyncio.create_task(made.reporter.run())
    await until(lambda: made.in_flight.bound == Bound(4))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await through.aclose()


def test_over_capacity_is_said_and_touches_no_budget(ratelimit: Slice) -> None:
    ratelimit.in_flight.bound = Bound(1)
    assert ratelimit.tell(ask(POLICY)).ok
    told = ratelimit.tell(ask(POLICY))
    assert not told.ok
    assert (told.metadata["denied"], told.metadata["limit"]) == ("429", "sidecar:in_flight")
    assert told.headers["retry-after"] == "1"
    assert '"type":"capacity"' in told.body
    assert ratelimit.metrics.decisions.counts["over_capacity"] == 1
    ratelimit.in_flight.bound = Bound()
    assert ratelimit.tell(ask(POLICY)).ok


def test_what_is_refused_or_left_is_not_in_flight(ratelimit: Slice) -> None:
    running = ratelimit.in_flight
    assert not ratelimit.tell(ask(Policy("t", "k", max_in_flight=0))).ok
    ratelimit.start(ask(POLICY), left=True).told()
    assert len(running) == 0
    assert ratelimit.tell(ask(POLICY)).ok
    assert len(running) == 1
