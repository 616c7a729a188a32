"""What a job holds is in the ledger too, as reserved: budgets agree with it, in a store that was lost as well."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from accesslog.delivery import Deliveries
from accesslog.jobs.keeper import Item, JobKeeper
from accesslog.jobs.seen import Lost, Read
from accesslog.metrics import AccessLogMetrics
from accesslog.usage import Usage
from ledger.cost import priced
from ledger.postgres.requests import PostgresRequests
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.jobs import Hold, Known, Report
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.port import Orphan
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from reconcile.books import Books
from reconcile.lost_jobs import LostJobs
from store.redis import open_redis
from tenancy.postgres.limits_in_force import PostgresLimitsInForce
from tenancy.values.calendar import Calendar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Kind, Unit
from tests.reconcile.conftest import EPOCH, MODEL, PRICES, Place, now_ms, row_of
from tests.reconcile.test_reconciler import _until

MONTH: dict[str, Any] = {"kind": Kind.FIXED, "calendar": Calendar.MONTH}
RESERVED = Used(100, 100)
MORE, LESS = Used(100, 900), Used(20, 30)


@pytest.fixture
def jobs(redis_url: str) -> Iterator[RedisJobs]:
    opened = RedisJobs(partial(open_redis, redis_url, timeout=1.0), 3600.0, EPOCH)
    yield opened
    opened.close()


async def begun(place: Place, jobs: RedisJobs) -> tuple[Account, str]:
    """A tenant with a job that nobody has read; its lease id."""
    await place.round()
    tenant_id = await place.tenant("acme")
    await place.limit(tenant_id, name="month", **MONTH)
    await place.limit(tenant_id, Unit.REQUESTS, 100, name="requests", **MONTH)
    of, lease_id = await place.account(tenant_id), mint_lease_id(now_ms())
    place.reserve(of, lease_id)
    assert jobs.hold(Hold(tenant_id, "r1", lease_id, "notes", RESERVED)) == ""
    await place.append(of, lease_id, RESERVED, usage_source=UsageSource.RESERVED, job="r1")
    return of, lease_id


async def agree(books: Books) -> bool:
    return not any(drift.missing or drift.beyond for drift in await books.audit())


@pytest.mark.parametrize("used", [MORE, LESS], ids=["more", "less"])
async def test_budgets_agree_with_the_ledger_while_a_job_runs_and_once_it_is_read(
    place: Place, jobs: RedisJobs, used: Used
) -> None:
    of, lease_id = await begun(place, jobs)
    assert await agree(place.books)
    for known in (Known.MORE, Known.OVER):
        notes = jobs.report(Report(of.policy.tenant_id, "r1", "reader", known, used))
        if notes:
            source = UsageSource.RESERVED if known is Known.MORE else UsageSource.REPORTED
            await place.append(of, lease_id, used, usage_source=source)
        assert await agree(place.books)
    assert place.held(of) == {"month": 10_000 - used.input_tokens - used.output_tokens, "requests": 99}


@pytest.fixture
async def keeping(place: Place, jobs: RedisJobs) -> AsyncIterator[JobKeeper]:
    """What it writes goes to the ledger."""
    writes = set[asyncio.Task[None]]()

    def write(row: UsageRow) -> bool:
        writes.add(asyncio.get_running_loop().create_task(place.ledger.append(priced([row], PRICES))))
        return True

    keeper = JobKeeper(jobs, write, lambda _: True, lambda _: 0, Deliveries(), AccessLogMetrics())
    running = asyncio.create_task(keeper.run())
    yield keeper
    keeper.finish()
    await running
    await asyncio.gather(*writes)


@pytest.mark.parametrize("used", [MORE, LESS], ids=["more", "less"])
async def test_a_job_that_a_lost_store_forgot_is_charged_when_it_is_read(
    place: Place, jobs: RedisJobs, keeping: JobKeeper, used: Used
) -> None:
    of, _ = await begun(place, jobs)
    lost = LostJobs(
        PostgresRequests(place.pool),
        PostgresLimitsInForce(place.pool),
        PRICES.get,
        lambda row, rules: keeping.offer(Item(Lost(row.job), row, None, rules)),
        timedelta(hours=1),
        groups=True,
    )
    place.reconciler._jobs = lost
    place.redis.flushall()
    await place.round()
    assert place.held(of) == {"month": 10_000 - 200, "requests": 99}
    await place.round()
    keeping.offer(Item(Read("r1", Known.OVER, Usage(*used[:4], UsageSource.REPORTED)), reader(place, of), None))
    await _until(lambda: place.held(of)["month"] == 10_000 - used.input_tokens - used.output_tokens)
    while not await agree(place.books):  # noqa: ASYNC110 - polls what tells nobody
        await asyncio.sleep(0.01)
    assert place.held(of)["requests"] == 98
    assert await lost.hold(now_ms()) == 0  # it is over
    assert keeping._metrics.jobs.counts["held_again"] == 1


def reader(place: Place, of: Account) -> UsageRow:
    """The row of a request that used nothing itself."""
    lease_id = mint_lease_id(now_ms())
    place.reserve(of, lease_id)
    place.settle(of, lease_id, Used(0))
    return row_of(of, lease_id, Used(0), MODEL, usage_source=UsageSource.NONE)


async def test_a_sweep_frees_nothing_that_a_job_holds(place: Place, jobs: RedisJobs) -> None:
    of, lease_id = await begun(place, jobs)
    orphan = mint_lease_id(now_ms())
    place.reserve(of, orphan)
    for key in place.redis.scan_iter("tollkeeper:leases:*"):
        place.redis.zadd(key, {orphan: 1})
    assert [each.lease_id for each in swept(place)] == [orphan]
    assert place.held(of)["month"] == 10_000 - 400
    assert jobs.report(Report(of.policy.tenant_id, "r1", "reader", Known.OVER, LESS)) == "notes"
    assert place.held(of)["month"] == 10_000 - 250
    assert lease_id != orphan


def swept(place: Place) -> list[Orphan]:
    return [orphan for _ in range(3) for orphan in place.budgets.orphans(10)]
