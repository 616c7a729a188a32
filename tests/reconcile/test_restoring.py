"""A store that lost its budgets is noticed, and holds again what the ledger says before anything is decided by it."""

import asyncio
from typing import Any

import pytest

from ratelimit.budgets.port import BudgetsLost, BudgetsUnavailable, Settled
from reconcile.books import Books
from tenancy.values.calendar import Calendar
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.limit import Kind, Scope, Unit
from tests.reconcile.conftest import EPOCH, MODEL, USED, Place, now_ms

MONTH: dict[str, Any] = {"kind": Kind.FIXED, "calendar": Calendar.MONTH, "time_zone": "Asia/Kolkata"}
ERA = 1_000_000_000  # seconds: no test sees the end of such a window
COST = 300 + 25 + 250  # what USED costs, in millionths
EXACT = Scope.TENANT, Scope.MODEL, Scope.KEY, Scope.USER


@pytest.fixture
async def tenant(place: Place) -> str:
    """A tenant with limits of every scope, unit and kind."""
    await place.round()
    tenant_id = await place.tenant("acme")
    await place.limit(tenant_id, name="month", **MONTH)
    await place.limit(tenant_id, Unit.REQUESTS, 100, name="requests", kind=Kind.FIXED, window_seconds=ERA)
    await place.limit(tenant_id, Unit.COST, 1_000_000, name="cost", **MONTH)
    await place.limit(tenant_id, Unit.INPUT_TOKENS, name="input", cached_weight=10, **MONTH)
    await place.limit(tenant_id, Unit.OUTPUT_TOKENS, name="sliding", kind=Kind.SLIDING, window_seconds=ERA)
    await place.limit(tenant_id, name="model", scope=Scope.MODEL, model=MODEL, **MONTH)
    await place.limit(tenant_id, name="each-key", scope=Scope.KEY, **MONTH)
    await place.limit(tenant_id, name="each-user", scope=Scope.USER, **MONTH)
    await place.limit(None, name="group", scope=Scope.GROUP, fairshare_group="default", **MONTH)
    return tenant_id


SPENT_BY_ONE = {
    "month": 150,
    "requests": 1,
    "cost": COST,
    "input": 102,  # 20 of 120 are cached, and count as two
    "sliding": 30,
    "model": 150,
    "each-key": 150,
    "each-user": 150,
    "group": 150,
}


async def test_every_window_holds_after_a_loss_what_it_held_before(place: Place, tenant: str) -> None:
    other = await place.tenant("other")
    of = await place.account(tenant)
    await place.run(of, 3)
    await place.run(await place.account(tenant, "key_2", "bob"), 2)
    await place.run(await place.account(tenant, model="another"), 1, model="another")
    await place.run(await place.account(other), 4)
    before = place.held(of)
    amounts = {limit.name: limit.amount for limit in of.limits}
    spent = {name: amounts[name] - held for name, held in before.items()}
    times = {"model": 5, "each-key": 4, "each-user": 4, "group": 10, "cost": 5}  # the other model has no price
    assert spent == {name: each * times.get(name, 6) for name, each in SPENT_BY_ONE.items()}
    place.redis.flushall()
    with pytest.raises(BudgetsLost):
        place.reserve(of, mint_lease_id(now_ms()))
    await place.round()
    assert place.held(of) == before
    place.reserve(of, mint_lease_id(now_ms()))


async def test_until_it_is_restored_a_lost_store_decides_nothing(place: Place, tenant: str) -> None:
    of = await place.account(tenant)
    place.budgets.ping()
    place.redis.flushall()
    with pytest.raises(BudgetsLost):
        place.budgets.ping()
    with pytest.raises(BudgetsLost):
        place.reserve(of, "a")
    assert place.redis.keys("*") == []


async def test_a_refilling_bucket_is_given_no_more_than_the_ledger_allows(place: Place) -> None:
    """What the ledger has of its last window counts as spent, without the refill since."""
    await place.round()
    tenant_id = await place.tenant("acme", tokens_per_minute=6_000)
    of = await place.account(tenant_id)
    await place.run(of, 10)
    place.redis.flushall()
    await place.round()
    assert 6_000 - 1_500 <= place.held(of)["tenant:tokens:60s"] < 6_000
    assert place.redis.exists(f"tollkeeper:budget:{{{tenant_id}}}:tenant:tokens:60s")


async def test_of_a_sliding_window_the_one_before_comes_back_too(place: Place) -> None:
    await place.round()
    tenant_id = await place.tenant("acme")
    limit_id = await place.limit(tenant_id, name="sliding", kind=Kind.SLIDING, window_seconds=3600)
    await place.pool.execute("UPDATE limits SET created_at = '2020-01-01Z'")
    of = await place.account(tenant_id)
    hour = now_ms() // 3_600_000 * 3_600_000
    for at in (hour - 1_800_000, hour - 900_000, hour - 2 * 3_600_000):
        await place.append(of, mint_lease_id(at))
    place.redis.flushall()
    await place.round()
    assert place.redis.hget(f"tollkeeper:budget:{{{tenant_id}}}:{limit_id}", "carry") == b"300"


async def test_what_operators_reset_and_adjusted_stays_so(place: Place, tenant: str) -> None:
    of = await place.account(tenant)
    names = {limit.name: limit.budget_name for limit in of.limits}
    await place.run(of, 3)
    await place.operator(tenant, "reset_budget", {"used": {names["month"]: 450, names["cost"]: 9}}, None)
    await place.operator(tenant, "adjust_budget", None, {"budget": names["input"], "given_back": 200})
    await place.operator(tenant, "adjust_budget", None, {"budget": names["model"], "given_back": -50})
    await place.operator(tenant, "adjust_budget", None, {"budget": names["each-user"], "given_back": 5_000})
    await asyncio.sleep(0.01)  # ids are to the millisecond: the next request is after the changes
    await place.run(of, 1)
    place.redis.flushall()
    await place.round()
    spent = {limit.name: limit.amount - held for limit, held in zip(of.limits, place.held(of).values(), strict=True)}
    assert spent["month"] == 150
    assert spent["cost"] == COST
    assert spent["input"] == 4 * 102 - 200
    assert spent["model"] == 650
    assert spent["each-user"] == 150  # nobody gets back more than was spent
    assert spent["each-key"] == 600


async def test_a_limit_counts_what_was_spent_since_it_was_made(place: Place, tenant: str) -> None:
    await place.run(await place.account(tenant), 2)
    await place.limit(tenant, name="late", **MONTH)
    of = await place.account(tenant)
    await place.run(of, 1)
    before = place.held(of)
    assert before["late"] == 10_000 - 150
    place.redis.flushall()
    await place.round()
    assert place.held(of) == before


async def test_what_was_in_flight_is_charged_once_its_row_is_there(place: Place, tenant: str) -> None:
    """Its lease is gone with the store, so settling it finds nothing."""
    of = await place.account(tenant)
    await place.run(of, 1)
    lost = [mint_lease_id(now_ms()) for _ in range(3)]
    for lease_id in lost:
        place.reserve(of, lease_id)
    place.redis.flushall()
    await place.round()
    assert place.held(of)["month"] == 10_000 - 150
    assert [place.settle(of, lease_id) for lease_id in lost] == [Settled.GONE] * 3
    for lease_id in lost:
        await place.append(of, lease_id)
    await place.round()  # sees that something is missing
    await place.round()  # and still is
    assert place.held(of)["month"] == 10_000 - 4 * 150
    await place.round()
    assert place.held(of)["month"] == 10_000 - 4 * 150
    assert place.metrics.mended.counts[""] == len(SPENT_BY_ONE)


async def test_what_ran_without_a_lease_meanwhile_is_charged_once(place: Place, tenant: str) -> None:
    """Failure modes `allow` and `local` settle directly; of what was asked before the store was restored the ledger
    tells, whether its row or its settlement came first."""
    of = await place.account(tenant)
    place.redis.flushall()
    asked = [mint_lease_id(now_ms()) for _ in range(2)]
    await place.append(of, asked[0])
    with pytest.raises(BudgetsLost):  # it waits
        place.settle(of, asked[0], direct=True)
    await place.round()
    assert place.settle(of, asked[0], direct=True) is Settled.GONE
    assert place.settle(of, asked[1], direct=True) is Settled.GONE
    await place.append(of, asked[1])
    for _ in range(3):
        await place.round()
    assert place.held(of)["month"] == 10_000 - 2 * 150
    later = mint_lease_id(now_ms() + 60_000)
    assert place.settle(of, later, direct=True) is Settled.SETTLED
    assert place.held(of)["month"] == 10_000 - 3 * 150


async def test_a_store_from_before_there_was_an_epoch_is_not_charged_again(place: Place, tenant: str) -> None:
    of = await place.account(tenant)
    await place.run(of, 5)
    before = place.held(of)
    place.redis.delete(EPOCH)
    await place.round()
    assert place.redis.get(EPOCH) == b"0"
    assert place.held(of) == before
    assert place.settle(of, mint_lease_id(now_ms() - 60_000), direct=True) is Settled.SETTLED
    assert place.held(of)["month"] == before["month"] - 150


async def test_one_restores_at_a_time_and_a_second_loss_begins_anew(
    place: Place, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await place.account(tenant)
    await place.run(of, 1)
    place.redis.flushall()
    assert await place.restoring.take_turn("another")
    await place.round()
    assert not place.redis.exists(EPOCH)
    await place.restoring.leave_turn("another")
    raise_all = Books.raise_all

    async def lost_again(books: Books) -> int:
        raised = await raise_all(books)
        place.redis.flushall()
        return raised

    monkeypatch.setattr(Books, "raise_all", lost_again)  # the real step, and then the loss at the worst moment
    await place.round()
    assert not place.redis.exists(EPOCH)
    monkeypatch.undo()
    await place.round()
    assert place.held(of)["month"] == 10_000 - 150


async def test_nothing_is_restored_from_a_ledger_that_is_away(place: Place, tenant: str) -> None:
    place.redis.flushall()
    await place.pool.execute("ALTER TABLE usage RENAME TO gone")
    with pytest.raises(Exception, match="usage"):
        await place.round()
    assert place.reconciler.lost
    with pytest.raises(BudgetsUnavailable):
        place.budgets.ping()
    await place.pool.execute("ALTER TABLE gone RENAME TO usage")
    await place.round()
    place.budgets.ping()
    assert not place.reconciler.lost


def test_the_sum_of_a_request(place: Place) -> None:
    assert USED.input_tokens + USED.output_tokens == SPENT_BY_ONE["month"]
