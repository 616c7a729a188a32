"""What a job holds is in the ledger too, as reserved: budgets agree with it, in a store that was lost as well."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from ledger.row import UsageSource
from ratelimit.budgets.jobs import Hold, Known, Report
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.port import Orphan
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from reconcile.books import Books
from store.redis import open_redis
from tenancy.values.calendar import Calendar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Kind, Unit
from tests.reconcile.conftest import EPOCH, Place, now_ms

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
    await place.append(of, lease_id, RESERVED, usage_source=UsageSource.RESERVED)
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


async def test_a_lost_store_holds_again_what_a_job_had_reserved_and_the_job_stays_so(
    place: Place, jobs: RedisJobs
) -> None:
    of, _ = await begun(place, jobs)
    place.redis.flushall()
    await place.round()
    assert place.held(of) == {"month": 10_000 - 200, "requests": 99}
    assert jobs.report(Report(of.policy.tenant_id, "r1", "reader", Known.OVER, LESS)) is None
    assert await agree(place.books)


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
