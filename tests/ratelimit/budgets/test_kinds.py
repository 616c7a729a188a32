"""What each kind, unit and scope of limit promises, held against each implementation of the port."""

from dataclasses import replace

import pytest

from ratelimit.budgets.port import Admitted, LeaseName, Refused, Settlement
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.prices import Prices
from tests.ratelimit.budgets.asking import reserve
from tests.ratelimit.stores import BEGIN_MS, Store, account, reservation

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
INTO_HOUR_MS = BEGIN_MS % HOUR_MS
HOURLY = Limit(Scope.TENANT, Unit.TOKENS, 100, 3600, id="lim_1", label="hourly", kind=Kind.FIXED)
SLIDING = replace(HOURLY, label="sliding", kind=Kind.SLIDING)


@pytest.fixture
def store(store: Store) -> Store:
    store.advance(HOUR_MS - INTO_HOUR_MS)  # the tests begin with an hour
    return store


def held(store: Store, *limits: Limit) -> list[int]:
    return list(store.peek(account(*limits)))


def settle(store: Store, lease_id: str, *used: int) -> None:
    store.budgets.settle([Settlement("acme", lease_id, Used(*used))])


def test_a_fixed_window_is_full_again_at_its_end(store: Store) -> None:
    of = account(HOURLY)
    reserve(store, of, 60)
    store.advance(59 * MINUTE_MS)
    assert reserve(store, of, 60) == Refused("hourly", MINUTE_MS, (40,))
    store.advance(MINUTE_MS)
    assert reserve(store, of, 60) == Admitted((40,))


def test_what_was_reserved_in_a_window_is_settled_with_it(store: Store) -> None:
    of = account(HOURLY)
    for lease in ("less", "more", "never"):
        reserve(store, of, 30, lease)
    store.advance(HOUR_MS)
    reserve(store, of, 50, "now")
    settle(store, "less", 0)
    settle(store, "more", 90)
    store.budgets.release([LeaseName("acme", "never")])
    assert held(store, HOURLY) == [50]
    settle(store, "now", 20)
    assert held(store, HOURLY) == [80]


def test_debt_ends_with_its_window(store: Store) -> None:
    reserve(store, account(HOURLY), 10, "a")
    settle(store, "a", 500)
    assert held(store, HOURLY) == [-400]
    store.advance(HOUR_MS)
    assert held(store, HOURLY) == [100]


@pytest.mark.parametrize(("minutes", "left"), [(0, 20), (30, 60), (45, 80), (60, 100), (400, 100)])
def test_a_sliding_window_forgets_what_leaves_it(store: Store, minutes: int, left: int) -> None:
    reserve(store, account(SLIDING), 80)
    store.advance(HOUR_MS + minutes * MINUTE_MS)
    assert held(store, SLIDING) == [left]


def test_a_sliding_window_says_when_a_request_fits(store: Store) -> None:
    of = account(SLIDING)
    reserve(store, of, 80)
    store.advance(HOUR_MS)
    first = reserve(store, of, 60)
    assert first == Refused("sliding", 30 * MINUTE_MS, (20,))
    store.advance(30 * MINUTE_MS - 1)
    assert isinstance(reserve(store, of, 60), Refused)
    store.advance(1)
    assert reserve(store, of, 60) == Admitted((0,))
    # All of this window's 60 stay until it ends, then leave evenly.
    second = reserve(store, of, 70)
    assert second == Refused("sliding", 60 * MINUTE_MS, (0,))
    store.advance(60 * MINUTE_MS - 1)
    assert isinstance(reserve(store, of, 70), Refused)
    store.advance(1)
    assert reserve(store, of, 70) == Admitted((0,))


def test_a_sliding_window_settles_in_the_window_before(store: Store) -> None:
    of = account(SLIDING)
    reserve(store, of, 80, "a")
    store.advance(HOUR_MS)
    settle(store, "a", 40)
    assert held(store, SLIDING) == [60]
    reserve(store, of, 10, "b")
    store.advance(3 * HOUR_MS)
    settle(store, "b", 1000)
    assert held(store, SLIDING) == [100]


def test_a_calendars_window_ends_in_its_time_zone(store: Store) -> None:
    # The hour that the tests begin with is 04:00Z: 13:00 in Tokyo, 23:00 the day before five hours west of Greenwich.
    for zone_name, left_hours in (("Asia/Tokyo", 24 - 13), ("Etc/GMT+5", 1)):
        daily = replace(HOURLY, id=zone_name, label=zone_name, calendar=Calendar.DAY, time_zone=zone_name)
        now_ms = BEGIN_MS + HOUR_MS - INTO_HOUR_MS
        of = account(daily, now_ms=now_ms)
        reserve(store, of, 100)
        assert reserve(store, of, 1) == Refused(zone_name, left_hours * HOUR_MS, (0,))


def test_a_sidecar_whose_clock_lags_uses_the_window_that_redis_is_in(store: Store) -> None:
    daily = replace(HOURLY, calendar=Calendar.DAY)
    late = account(daily, now_ms=BEGIN_MS)
    reserve(store, late, 100)
    store.advance(DAY_MS)
    assert reserve(store, late, 70) == Admitted((30,))  # bounds of yesterday
    right = account(daily, now_ms=BEGIN_MS + HOUR_MS + DAY_MS)
    assert reserve(store, right, 31) == reserve(store, late, 31)


@pytest.mark.parametrize(
    ("unit", "reserved", "settled"),
    [
        (Unit.TOKENS, 150, 90),
        (Unit.INPUT_TOKENS, 50, 60),
        (Unit.OUTPUT_TOKENS, 100, 30),
        (Unit.REQUESTS, 1, 1),
        (Unit.COST, 50 * 3 + 100 * 10, 20 * 3 + 40 + 30 * 10),
    ],
)
def test_each_unit_counts_its_own(store: Store, unit: Unit, reserved: int, settled: int) -> None:
    prices = Prices.of_millionths(3_000_000, 10_000_000, 1_000_000)  # 3, 10 and 1 millionths a token
    of = account(Limit(Scope.TENANT, unit, 10_000, 86_400), prices=prices)
    assert reserve(store, of, Estimate(150, 50, 100), "a") == Admitted((10_000 - reserved,))
    settle(store, "a", 60, 30, 40, 10)
    assert list(store.peek(of)) == [10_000 - settled]
    charge = Settlement("acme", "direct", Used(60, 30, 40, 10), True, of.rule_set.rules)
    store.budgets.settle([charge, charge])
    assert list(store.peek(of)) == [10_000 - 2 * settled]


@pytest.mark.parametrize(
    ("unit", "cached", "reasoning", "settled"),
    [
        (Unit.TOKENS, 10, 100, 20 + 4 + 30),
        (Unit.TOKENS, 0, 200, 20 + 30 + 10),
        (Unit.TOKENS, 33, 33, 57),  # 20 + 40 x 0.33 + 20 + 10 x 0.33, rounded up
        (Unit.INPUT_TOKENS, 0, 100, 20),
        (Unit.OUTPUT_TOKENS, 100, 0, 20),
    ],
)
def test_weights_count_when_the_request_is_settled(
    store: Store, unit: Unit, cached: int, reasoning: int, settled: int
) -> None:
    limit = Limit(Scope.TENANT, unit, 1000, 86_400, cached_weight=cached, reasoning_weight=reasoning)
    reserve(store, account(limit), Estimate(150, 50, 100), "a")
    settle(store, "a", 60, 30, 40, 10)
    assert held(store, limit) == [1000 - settled]


def test_a_free_model_costs_nothing_and_prices_are_those_of_the_reservation(store: Store) -> None:
    spend = Limit(Scope.TENANT, Unit.COST, 1000, 86_400)
    assert reserve(store, account(spend), Estimate(150, 50, 100), "free") == Admitted((1000,))
    reserve(store, account(spend, prices=Prices.of_millionths(1_000_000, 1_000_000)), Estimate(150, 50, 100), "then")
    reserve(store, account(spend, prices=Prices.of_millionths(2_000_000, 2_000_000)), Estimate(150, 50, 100), "now")
    for lease in ("free", "then", "now"):
        settle(store, lease, 10, 10)
    assert held(store, spend) == [1000 - 20 - 40]


def test_money_is_what_a_request_cost_if_that_is_known(store: Store) -> None:
    of = account(Limit(Scope.TENANT, Unit.COST, 10_000, 86_400), prices=Prices.of_millionths(3_000_000, 10_000_000))
    for lease in ("known", "free", "unknown"):
        reserve(store, of, Estimate(150, 50, 100), lease)
    settle(store, "known", 60, 30, 40, 10, 777)
    settle(store, "free", 60, 30, 40, 10, 0)
    settle(store, "unknown", 60, 30, 40, 10)
    assert list(store.peek(of)) == [10_000 - 777 - 480]
    for lease, used in (("d1", Used(60, 30, 40, 10, 777)), ("d2", Used(60, 30, 40, 10))):
        store.budgets.settle([Settlement("acme", lease, used, True, of.rule_set.rules)])
    assert list(store.peek(of)) == [10_000 - 2 * (777 + 480)]


def test_a_request_without_a_bound_fits_a_full_budget_of_each_unit(store: Store) -> None:
    limits = [Limit(Scope.TENANT, unit, 20, 86_400) for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.COST)]
    of = account(*limits, prices=Prices.of_millionths(9_000_000, 9_000_000))
    assert reserve(store, of, Estimate(1124, 100, 0, 1024)) == Admitted((0, 0, 0))


def test_a_models_limit_counts_its_model_alone(store: Store) -> None:
    limits = (Limit(Scope.MODEL, Unit.TOKENS, 50, 86_400, "big"), Limit(Scope.TENANT, Unit.TOKENS, 1000, 86_400))
    assert reserve(store, account(*limits, model="big"), 40) == Admitted((10, 960))
    assert reserve(store, account(*limits, model="small"), 40) == Admitted((920,))
    refused = reserve(store, account(*limits, model="big"), 40)
    assert isinstance(refused, Refused)
    assert refused.limit == "model:big:tokens:86400s"


def test_the_tenants_of_a_group_share_its_budget(store: Store) -> None:
    shared = Limit(Scope.GROUP, Unit.TOKENS, 100, 86_400, "gold")
    one, two = account(shared, tenant_id="one"), account(shared, tenant_id="two")
    assert store.budgets.reserve([reservation(one, 60, "a"), reservation(two, 30, "b")]) == [
        Admitted((40,)),
        Admitted((10,)),
    ]
    assert isinstance(reserve(store, two, 20), Refused)
    store.budgets.settle([Settlement("one", "a", Used(10)), Settlement("two", "b", Used(50))])
    assert list(store.peek(one)) == list(store.peek(two)) == [40]


def test_where_one_script_cannot_reach_a_group_each_tenant_has_its_amount(store: Store) -> None:
    shared = Limit(Scope.GROUP, Unit.TOKENS, 100, 86_400, "gold")
    one, two = (Account.of(account(shared, tenant_id=t).policy, groups=False) for t in ("one", "two"))
    assert reserve(store, one, 100) == reserve(store, two, 100) == Admitted((0,))


def test_a_shadow_limit_refuses_nothing_and_names_itself(store: Store) -> None:
    shadow = replace(HOURLY, shadow=True)
    of = account(shadow, Limit(Scope.TENANT, Unit.TOKENS, 1000, 86_400))
    assert reserve(store, of, 60, "a") == Admitted((40, 940))
    # As if it had been refused, it takes nothing; what fits still does.
    assert reserve(store, of, 60, "b") == Admitted((40, 880), "hourly")
    assert reserve(store, of, 30, "c") == Admitted((10, 850))
    settle(store, "b", 10)
    assert list(store.peek(of)) == [10, 900]
    store.budgets.release([LeaseName("acme", "a"), LeaseName("acme", "c")])
    assert list(store.peek(of)) == [100, 990]


def test_of_several_shadows_the_one_to_wait_for_longest_is_named(store: Store) -> None:
    never = Limit(Scope.KEY, Unit.TOKENS, 10, 60, "key-1", shadow=True)
    of = account(replace(HOURLY, amount=40, shadow=True), never, replace(SLIDING, id="s", amount=45, shadow=True))
    assert reserve(store, of, 20) == Admitted((20, 10, 25), never.name)
    assert reserve(store, of, 30) == Admitted((20, 10, 25), never.name)


def test_a_request_that_a_real_limit_refuses_misses_no_shadow(store: Store) -> None:
    of = account(replace(HOURLY, amount=10, shadow=True), Limit(Scope.TENANT, Unit.TOKENS, 20, 86_400))
    assert reserve(store, of, 30) == Refused("tenant:tokens:86400s", None, (10, 20))


@pytest.mark.parametrize("kind", [Kind.BUCKET, Kind.FIXED, Kind.SLIDING])
@pytest.mark.parametrize("other", [Kind.BUCKET, Kind.FIXED, Kind.SLIDING])
def test_what_is_spent_stays_spent_when_the_kind_or_window_changes(store: Store, kind: Kind, other: Kind) -> None:
    before = replace(HOURLY, kind=kind, window_seconds=86_400)
    after = replace(before, kind=other, window_seconds=864_000, amount=200)
    of = account(before)
    reserve(store, of, 60, "a")
    reserve(store, of, 20, "b")
    assert held(store, after) == [120]
    assert reserve(store, account(after), 10) == Admitted((110,))
    settle(store, "a", 70)  # a lease of the limit as it was
    store.budgets.release([LeaseName("acme", "b")])
    assert held(store, after) == [120]


def test_a_lease_of_the_limit_as_it_was_does_not_refill_the_present_one(store: Store) -> None:
    reserve(store, account(replace(HOURLY, kind=Kind.BUCKET, window_seconds=1)), 50, "old")
    daily = replace(HOURLY, window_seconds=86_400)
    reserve(store, account(daily), 50)
    store.advance(MINUTE_MS)
    settle(store, "old", 51)
    assert held(store, daily) == [-1]
