"""What the port promises of budgets, held against each of its implementations.

Windows of a day keep the refill of a test's own duration below one token.
"""

import pytest

from ratelimit.budgets.port import (
    Admitted,
    Refused,
    Reservation,
    Settlement,
)
from ratelimit.budgets.rule import Rule, RuleSet, Used
from tenancy.values.limit import Scope
from tests.ratelimit.budgets.asking import reserve, rules, settle
from tests.ratelimit.stores import (
    Store,
    account,
    requests,
    reservation,
    tokens,
)

MINUTE_MS = 60_000
DAY_MS = 86_400_000


def test_an_untouched_budget_is_full(store: Store) -> None:
    assert store.peek(account(tokens(100), requests(3))) == [100, 3]


def test_a_reservation_takes_its_tokens_and_one_request(store: Store) -> None:
    of = account(tokens(100), requests(3))
    assert reserve(store, of, 40) == Admitted((60, 2))
    assert store.peek(of) == [60, 2]


def test_what_does_not_fit_is_refused_with_the_wait(store: Store) -> None:
    of = account(tokens(86_400))  # a token a second
    reserve(store, of, 86_400)
    decision = reserve(store, of, 10)
    assert isinstance(decision, Refused)
    assert decision.limit == "tenant:tokens:86400s"
    assert decision.wait_ms is not None
    assert decision.wait_ms == 10_000


def test_what_is_larger_than_the_budget_never_fits(store: Store) -> None:
    assert reserve(store, account(tokens(100)), 101) == Refused("tenant:tokens:86400s", None, (100,))


def test_nothing_is_taken_unless_everything_fits(store: Store) -> None:
    of = account(tokens(100), tokens(10, Scope.KEY, subject="key-1"), requests(5))
    assert reserve(store, of, 11) == Refused("key:key-1:tokens:86400s", None, (100, 10, 5))
    assert store.peek(of) == [100, 10, 5]


def test_of_several_that_bind_the_longest_wait_is_named(store: Store) -> None:
    of = account(tokens(86_400), tokens(864, Scope.USER, subject="u"))
    reserve(store, of, 864)
    store.budgets.settle([Settlement("acme", "direct-1", Used(86_400), True, account(tokens(86_400)).rule_set.rules)])
    decision = reserve(store, of, 800)
    assert isinstance(decision, Refused)
    assert decision.limit == "user:u:tokens:86400s"


def test_a_request_without_tokens_passes_a_token_budget_in_debt(store: Store) -> None:
    of = account(tokens(100), requests(2))
    reserve(store, of, 100, "a")
    settle(store, "a", 500)
    assert reserve(store, of, 0) == Admitted((-400, 0))


def test_requests_of_one_batch_see_each_other(store: Store) -> None:
    of = account(tokens(50))
    decisions = store.budgets.reserve([reservation(of, 10) for _ in range(50)])
    assert [isinstance(decision, Admitted) for decision in decisions] == [True] * 5 + [False] * 45


def test_two_keys_of_a_tenant_share_its_budget_within_a_batch(store: Store) -> None:
    first, second = account(tokens(15)), account(tokens(15), requests(9, Scope.KEY, subject="key-2"))
    decisions = store.budgets.reserve([reservation(first, 10), reservation(second, 10), reservation(second, 5)])
    assert [isinstance(decision, Admitted) for decision in decisions] == [True, False, True]


def test_tenants_do_not_touch_each_other(store: Store) -> None:
    reserve(store, account(tokens(10), tenant_id="one"), 10)
    assert reserve(store, account(tokens(10), tenant_id="two"), 10) == Admitted((0,))


def test_a_budget_refills_over_its_window(store: Store) -> None:
    of = account(tokens(6_000, window_seconds=600))  # 10 a second
    reserve(store, of, 6_000)
    store.advance(30_000)
    (level,) = store.peek(of)
    assert level == 300
    store.advance(570_000)
    assert store.peek(of) == [6_000]


def test_a_refill_keeps_its_remainder(store: Store) -> None:
    of = account(tokens(3))  # one token in 28,800,000 ms
    reserve(store, of, 3)
    for _ in range(10):
        store.advance(2_880_000)
        reserve(store, of, 0)
    assert store.peek(of) == [1]


def test_debt_is_paid_back_by_the_refill(store: Store) -> None:
    of = account(tokens(864))  # one in 100 s
    reserve(store, of, 864, "a")
    settle(store, "a", 874)
    store.advance(1_000_000)
    assert store.peek(of) == [0]


@pytest.mark.parametrize(("amount", "level"), [(200, 140), (61, 1), (60, 0), (10, -50)])
def test_a_changed_limit_does_not_give_back_what_is_spent(store: Store, amount: int, level: int) -> None:
    reserve(store, account(tokens(100)), 60, "a")
    changed = account(tokens(amount))
    assert store.peek(changed) == [level]
    reserve(store, changed, 0)
    assert store.peek(changed) == [level]
    settle(store, "a", 20)
    assert store.peek(changed) == [level + 40]


def test_a_lowered_limit_refills_at_its_own_rate_though_it_refuses(store: Store) -> None:
    reserve(store, account(tokens(86_400)), 86_400)
    lowered = account(tokens(864))
    assert isinstance(reserve(store, lowered, 1), Refused)
    store.advance(DAY_MS)
    assert store.peek(lowered) == [864 - 86_400 + 864]


def test_a_request_that_is_asked_again_takes_nothing_more(store: Store) -> None:
    of = account(tokens(100))
    first = reserve(store, of, 60, "a")
    assert reserve(store, of, 60, "a") == first == Admitted((40,))  # though it would not fit any more
    assert isinstance(reserve(store, of, 60, "b"), Refused)
    settle(store, "a", 10)
    assert store.peek(of) == [90]


def test_large_numbers_stay_whole(store: Store) -> None:
    of = account(tokens(600_000_000_000))  # seven million a second
    reserve(store, of, 500_000_000_001, "a")
    (level,) = store.peek(of)
    assert level == 99_999_999_999
    settle(store, "a", 1_200_000_000_000)
    (level,) = store.peek(of)
    assert level == -600_000_000_000


def test_without_a_lease_costs_are_taken_from_every_budget_or_none(store: Store) -> None:
    of = rules("descriptors", 10, 3)
    wanted = [Reservation(of, costs) for costs in ([4, 1], [4, 1], [4, 1], [1, 2], [2, 1], [0, 1])]
    never = Reservation(of, [11, 0])
    wait_ms = 2 * DAY_MS // 10
    assert store.budgets.reserve([*wanted, never]) == [
        Admitted((6, 2)),
        Admitted((2, 1)),
        Refused("r0", wait_ms, (2, 1)),
        Refused("r1", DAY_MS // 3, (2, 1)),
        Admitted((0, 0)),
        Refused("r1", DAY_MS // 3, (0, 0)),
        Refused("r0", None, (0, 0)),
    ]


def test_without_a_lease_a_shadow_rule_refuses_nothing(store: Store) -> None:
    key = "tollkeeper:budget:{descriptors}:shadow"
    of = RuleSet.of("descriptors", [Rule(key, f"f{DAY_MS}", 10, name="shadow", shadow=True)])
    decisions = store.budgets.reserve([Reservation(of, [cost]) for cost in (6, 6, 4)])
    assert decisions == [Admitted((4,)), Admitted((4,), "shadow"), Admitted((0,))]
