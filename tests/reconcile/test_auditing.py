"""The audit finds what budgets and ledger do not agree about, and tolerates what is still on its way."""

from typing import Any

from ratelimit.budgets.port import Settled
from ratelimit.budgets.rule import Used
from reconcile.books import Drift
from reconcile.metrics import BEYOND, MISSING, NONE, TENTH
from reconcile.reconciler import Pace
from tenancy.values.calendar import Calendar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Kind, Scope
from tests.reconcile.conftest import PACE, Place, now_ms

MONTH: dict[str, Any] = {"kind": Kind.FIXED, "calendar": Calendar.MONTH}
SETTLED_LONG_AGO = Pace(look=0.01, mend=0.0, audit=0.0, late=0.0)  # nothing from before a loss can come any more


async def drifts(place: Place, tenant_id: str | None = None) -> dict[str, Drift]:
    return {drift.account.limit.name: drift for drift in await place.books.audit(tenant_id)}


async def evicted(place: Place) -> str:
    """A tenant that spent 450 of its month, whose budget Redis has dropped, and nothing else."""
    await place.round()
    tenant_id = await place.tenant("acme")
    limit_id = await place.limit(tenant_id, name="month", **MONTH)
    await place.run(await place.account(tenant_id), 3)
    place.redis.delete(f"tollkeeper:budget:{{{tenant_id}}}:{limit_id}")
    return tenant_id


async def test_a_budget_that_was_evicted_is_found_and_mended_when_asked(place: Place) -> None:
    tenant_id = await evicted(place)
    found = (await drifts(place))["month"]
    assert (found.counted, found.spent, found.missing, found.beyond) == (0, 450, 450, 0)
    assert [drift.missing for drift in await place.books.mend([found])] == [450]
    assert place.held(await place.account(tenant_id))["month"] == 10_000 - 450
    assert await place.books.mend([found]) == []
    assert (await drifts(place))["month"].missing == 0


async def test_it_is_reported_and_left_alone_in_a_store_that_is_whole(place: Place) -> None:
    tenant_id = await evicted(place)
    place.reconciler._pace = SETTLED_LONG_AGO
    await place.round()
    assert place.metrics.drift == {MISSING: 0.0, BEYOND: 0.0}  # a row may be ahead of its settlement
    await place.round()
    assert place.metrics.drift == {MISSING: 1.0, BEYOND: 0.0}
    assert place.held(await place.account(tenant_id))["month"] == 10_000
    place.reconciler._pace = PACE
    await place.round()
    assert place.held(await place.account(tenant_id))["month"] == 10_000 - 450


async def test_what_is_in_flight_is_beyond_the_ledger_and_nothing_is_missing(place: Place) -> None:
    await place.round()
    tenant_id = await place.tenant("acme")
    await place.limit(tenant_id, name="month", **MONTH)
    of = await place.account(tenant_id)
    await place.run(of, 2)
    lease_id = mint_lease_id(now_ms())
    place.reserve(of, lease_id)
    found = (await drifts(place))["month"]
    assert (found.missing, found.beyond) == (0, 200)
    assert place.settle(of, lease_id) is Settled.SETTLED
    assert (await drifts(place))["month"].beyond == 150  # its row waits
    await place.append(of, lease_id)
    assert (await drifts(place))["month"].beyond == 0


async def test_what_an_operator_gave_back_in_between_stays_given_back(place: Place) -> None:
    tenant_id = await evicted(place)
    of = await place.account(tenant_id)
    await place.run(of, 2)
    before = await place.books.audit()
    assert before[0].missing == 450
    place.redis.delete(of.rule_set.rules[0].key)  # the reset, whose entry is not committed yet
    assert await place.books.mend(before) == []
    assert place.held(of)["month"] == 10_000


async def test_one_tenants_audit_leaves_out_the_others_and_its_group(place: Place) -> None:
    await place.round()
    first, second = await place.tenant("a"), await place.tenant("b")
    await place.limit(None, name="group", scope=Scope.GROUP, fairshare_group="default", **MONTH)
    for tenant_id in (first, second):
        await place.limit(tenant_id, name="month", **MONTH)
        await place.run(await place.account(tenant_id))
    assert set(await drifts(place, first)) == {"month"}
    everything = await place.books.audit()
    assert len(everything) == 3
    assert {drift.spent for drift in everything if drift.account.limit.name == "group"} == {300}
    assert [drift for drift in everything if drift.missing or drift.beyond] == []


async def test_refilling_buckets_are_not_compared(place: Place) -> None:
    """What was spent refills all the time; the ledger does not know how much."""
    await place.round()
    tenant_id = await place.tenant("acme", tokens_per_minute=6_000)
    await place.run(await place.account(tenant_id), 3)
    assert await place.books.audit() == []


async def test_tenants_with_little_left_are_counted_once_and_short_windows_and_shadows_are_not(place: Place) -> None:
    await place.round()
    for name, used in (("plenty", 500), ("low", 550), ("spent", 600), ("minute", 600)):
        tenant_id = await place.tenant(name)
        window: dict[str, Any] = MONTH if name != "minute" else {"kind": Kind.FIXED, "window_seconds": 60}
        await place.limit(tenant_id, name="of", amount=600, **window)
        await place.limit(tenant_id, name="shadow", amount=550, shadow=True, **MONTH)
        await place.limit(tenant_id, name="other", amount=100_000, **MONTH)
        await place.run(await place.account(tenant_id), used=Used(used))
    place.reconciler._pace = SETTLED_LONG_AGO
    await place.round()
    assert place.metrics.low == {TENTH: 1.0, NONE: 1.0}
