"""What the port promises of leases, held against each of its implementations: settled once, released, orphaned."""

import pytest

from ratelimit.budgets.port import (
    SWEPT_AGAIN_MS,
    Admitted,
    LeaseName,
    Orphan,
    Refused,
    Reservation,
    Settled,
    Settlement,
)
from ratelimit.budgets.rule import RuleSet, Used
from ratelimit.tenants.account import IN_FLIGHT, KEY_IN_FLIGHT
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tests.ratelimit.budgets.asking import reserve, rules, settle, sweep
from tests.ratelimit.stores import (
    BEGIN_MS,
    LEASE_SECONDS,
    Store,
    account,
    requests,
    reservation,
    tokens,
)

MINUTE_MS = 60_000
DAY_MS = 86_400_000


@pytest.mark.parametrize(("used", "level"), [(10, 90), (60, 40), (150, -50), (0, 100)])
def test_settling_refunds_or_charges_the_difference(store: Store, used: int, level: int) -> None:
    of = account(tokens(100), requests(5))
    reserve(store, of, 60, "a")
    assert settle(store, "a", used) is Settled.SETTLED
    assert store.peek(of) == [level, 4]


def test_a_lease_settles_once(store: Store) -> None:
    of = account(tokens(100))
    reserve(store, of, 60, "a")
    first = store.budgets.settle([Settlement("acme", "a", Used(10)), Settlement("acme", "a", Used(10))])
    assert first == [Settled.SETTLED, Settled.GONE]
    assert settle(store, "a", 10) is Settled.GONE
    assert store.peek(of) == [90]


def test_a_refund_never_fills_beyond_the_capacity(store: Store) -> None:
    of = account(tokens(100, window_seconds=60))
    reserve(store, of, 80, "a")
    store.advance(MINUTE_MS // 2)
    settle(store, "a", 0)
    assert store.peek(of) == [100]


def test_an_unknown_lease_is_gone(store: Store) -> None:
    assert settle(store, "never", 10) is Settled.GONE
    assert store.budgets.release([LeaseName("acme", "never")]) == [Settled.GONE]


def test_a_release_refunds_everything_once(store: Store) -> None:
    of = account(tokens(100), requests(5))
    reserve(store, of, 60, "a")
    assert store.budgets.release([LeaseName("acme", "a"), LeaseName("acme", "a")]) == [Settled.SETTLED, Settled.GONE]
    assert store.peek(of) == [100, 5]
    assert settle(store, "a", 10) is Settled.GONE


def test_a_direct_charge_counts_once(store: Store) -> None:
    limits = (tokens(100), requests(5))
    charge = Settlement("acme", "a", Used(30), True, account(*limits).rule_set.rules)
    assert store.budgets.settle([charge, charge]) == [Settled.SETTLED, Settled.GONE]
    assert store.budgets.settle([charge]) == [Settled.GONE]
    assert store.peek(account(*limits)) == [70, 4]


def test_a_direct_charge_settles_the_lease_that_was_in_doubt(store: Store) -> None:
    of = account(tokens(100), requests(5))
    reserve(store, of, 60, "a")
    charge = Settlement("acme", "a", Used(30), True, of.rule_set.rules)
    assert store.budgets.settle([charge]) == [Settled.SETTLED]
    assert store.budgets.release([LeaseName("acme", "a")]) == [Settled.GONE]
    assert store.peek(of) == [70, 4]


def test_slots_bound_what_is_in_flight(store: Store) -> None:
    of = account(tokens(100), max_in_flight=2)
    batch = [reservation(of, 10, f"s{n}") for n in range(3)]
    decisions = store.budgets.reserve(batch)
    assert decisions == [Admitted((90,)), Admitted((80,)), Refused(IN_FLIGHT, 1000, (80,))]
    settle(store, "s0", 10)
    assert isinstance(reserve(store, of, 10), Admitted)


def test_a_key_has_slots_of_its_own_also_for_what_ran_before(store: Store) -> None:
    free, of = account(tokens(100)), account(tokens(100), key_max_in_flight=2)
    reserve(store, free, 10, "before")
    batch = [reservation(of, 10, f"s{n}") for n in range(2)]
    assert store.budgets.reserve(batch) == [Admitted((80,)), Refused(KEY_IN_FLIGHT, 1000, (80,))]
    settle(store, "before", 10)
    reserve(store, free, 10, "between")
    assert store.budgets.reserve(batch) == [Admitted((70,)), Refused(KEY_IN_FLIGHT, 1000, (70,))]
    assert isinstance(reserve(store, account(tokens(100), tenant_id="other", key_max_in_flight=2), 10), Admitted)
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert isinstance(reserve(store, of, 10), Admitted)


def test_an_expired_lease_frees_its_slot(store: Store) -> None:
    of = account(tokens(100), max_in_flight=1)
    reserve(store, of, 10)
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert isinstance(reserve(store, of, 10), Admitted)


def test_an_orphan_is_given_until_its_row_is_safe_since_who_had_it_may_have_died(store: Store) -> None:
    of = account(tokens(100))
    for lease_id in ("late", "lost", "safe"):
        reserve(store, of, 30, lease_id)
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert [(each.lease_id, each.again) for each in sweep(store)] == [("late", False), ("lost", False), ("safe", False)]
    assert settle(store, "late", 30) is Settled.SETTLED
    store.budgets.accounted([LeaseName("acme", "safe"), LeaseName("acme", "never was"), LeaseName("other", "safe")])
    store.advance(SWEPT_AGAIN_MS - 1)
    assert sweep(store) == []
    for _ in range(3):
        store.advance(1)
        assert [(orphan.lease_id, orphan.again) for orphan in sweep(store)] == [("lost", True)]
        store.advance(SWEPT_AGAIN_MS - 1)
    store.budgets.accounted([LeaseName("acme", "lost")])
    store.advance(1)
    assert sweep(store) == []
    assert settle(store, "safe", 20) is Settled.SETTLED
    assert store.peek(of) == [20]


def test_orphans_are_given_once_and_stay_charged(store: Store) -> None:
    of = account(tokens(100))
    reserve(store, of, 60, "old")
    store.advance(int(LEASE_SECONDS * 1000) - 5_000)
    reserve(store, of, 10, "young")
    assert sweep(store) == []
    store.advance(6_000)
    kept = {"key_id": "key-1", "user_id": "u", "end_user_id": "", "model": "m", "path": "/v1/x"}
    assert sweep(store) == [Orphan("acme", "old", {**kept, "tokens": 60, "input_estimate": 1})]
    assert sweep(store) == []
    assert store.peek(of) == [30]
    assert settle(store, "young", 10) is Settled.SETTLED


def test_a_lease_that_is_renewed_lasts_and_one_that_ended_stays_ended(store: Store) -> None:
    of, name = account(tokens(100), max_in_flight=1, key_max_in_flight=1), LeaseName("acme", "long")
    half = int(LEASE_SECONDS * 500)
    reserve(store, of, 10, "long")
    for _ in range(3):
        store.advance(half)
        store.budgets.renew([name, LeaseName("acme", "never was")])
        assert sweep(store) == []
    assert isinstance(reserve(store, of, 10), Refused)
    store.advance(2 * half + 1)
    assert len(sweep(store)) == 1
    store.budgets.renew([name])
    assert isinstance(reserve(store, of, 10), Refused)
    store.advance(SWEPT_AGAIN_MS + 1)
    assert sweep(store) == []
    settle(store, "long", 10)
    store.budgets.renew([name])
    assert isinstance(reserve(store, of, 10), Admitted)


def test_leases_that_are_told_to_end_free_their_slots_and_are_swept_once(store: Store) -> None:
    of = account(tokens(100), max_in_flight=3, key_max_in_flight=2)
    for lease_id in ("over", "runs"):
        reserve(store, of, 10, lease_id)
    over, runs, ended = (LeaseName("acme", name) for name in ("over", "runs", "ended"))
    assert sorted(name for page in store.budgets.running() for name in page) == [over, runs]
    for _ in range(2):
        store.budgets.expire([over, ended])
        assert [name for page in store.budgets.running() for name in page] == [runs]
    assert [orphan.lease_id for orphan in sweep(store)] == ["over"]
    store.budgets.expire([over])
    assert sweep(store) == []
    assert isinstance(reserve(store, of, 10, "next"), Admitted)
    assert isinstance(reserve(store, of, 10), Refused)
    assert settle(store, "over", 5) is Settled.SETTLED
    assert store.peek(of) == [75]


def test_a_lease_that_was_swept_is_settled_once_when_its_entry_comes_late(store: Store) -> None:
    of = account(tokens(100), max_in_flight=2)
    for lease_id in ("less", "more"):
        reserve(store, of, 30, lease_id)
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert len(sweep(store)) == 2
    assert store.peek(of) == [40]
    assert [settle(store, "less", 5) for _ in range(2)] == [Settled.SETTLED, Settled.GONE]
    assert store.peek(of) == [65]
    assert [settle(store, "more", 50) for _ in range(2)] == [Settled.SETTLED, Settled.GONE]
    assert store.peek(of) == [45]
    assert sweep(store) == []
    assert [isinstance(reserve(store, of, 1), Admitted) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("kind", "then"), [(Kind.FIXED, 100), (Kind.SLIDING, 72)])
def test_what_comes_late_is_settled_in_the_window_that_it_was_reserved_in(kind: Kind, then: int, store: Store) -> None:
    of = account(Limit(Scope.TENANT, Unit.TOKENS, 100, 3600, kind=kind), now_ms=BEGIN_MS)
    store.advance(3_600_000 - BEGIN_MS % 3_600_000)  # where a window begins
    reserve(store, of, 80, "late")
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert len(sweep(store)) == 1
    store.advance(3_600_000 - int(LEASE_SECONDS * 1000) + 1_080_000)  # 18 minutes into the next one
    assert settle(store, "late", 40) is Settled.SETTLED
    assert store.peek(of) == [then]


def test_orphans_of_many_tenants_are_found_within_the_bound(store: Store) -> None:
    for n in range(30):
        reserve(store, account(tokens(100), tenant_id=f"t{n}"), 1, f"l{n}")
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    found: list[Orphan] = []
    for _ in range(12):
        some = store.budgets.orphans(10)
        assert len(some) <= 10
        found += some
    assert sorted(orphan.lease_id for orphan in found) == sorted(f"l{n}" for n in range(30))


def test_an_account_without_limits_still_takes_leases(store: Store) -> None:
    of = account(max_in_flight=1)
    assert reserve(store, of, 10, "a") == Admitted(())
    assert isinstance(reserve(store, of, 10), Refused)
    assert settle(store, "a", 10) is Settled.SETTLED


def test_without_a_lease_nothing_is_in_flight_nor_left_to_settle(store: Store) -> None:
    assert store.budgets.reserve([Reservation(rules("descriptors", 10), [4])] * 2) == [Admitted((6,)), Admitted((2,))]
    assert store.budgets.release([LeaseName("descriptors", "")]) == [Settled.GONE]
    store.advance(int(LEASE_SECONDS * 1000) + 1)
    assert sweep(store) == []


def test_requests_with_and_without_a_lease_share_a_batch_and_a_budget(store: Store) -> None:
    of = account(tokens(100), max_in_flight=1)
    (shared,) = of.rule_set.rules
    without = Reservation(RuleSet.of("acme", [shared]), [10])
    batch = [without, reservation(of, 30, "a"), without, reservation(of, 30, "b"), without]
    assert store.budgets.reserve(batch) == [
        Admitted((90,)),
        Admitted((60,)),
        Admitted((50,)),
        Refused(IN_FLIGHT, 1000, (50,)),
        Admitted((40,)),
    ]
    assert settle(store, "a", 5) is Settled.SETTLED
    assert store.peek(of) == [65]
