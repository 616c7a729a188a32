"""What a client who floods is told without asking the budgets."""

import pytest

from ratelimit.answer_bytes import serialize
from ratelimit.budgets.port import Refused
from ratelimit.service import RatelimitService
from ratelimit.tenants.account import IN_FLIGHT, Account
from ratelimit.tenants.decider import DOMAIN, TenantDecider
from ratelimit.tenants.recent_refusals import FLOOD, HOLD_MS, MAX_ACCOUNTS, RecentRefusals
from ratelimit.tenants.screening import Terms
from tenancy.values.policy import Policy
from tests.ratelimit.conftest import DEFAULT_OUTPUT, Slice
from tests.ratelimit.rls import ask
from tests.ratelimit.stores import tokens
from tests.ratelimit.tenants.test_screening import Registry

POLICY = Policy("t", "k", limits=(tokens(100),))
ACCOUNT = Account.of(POLICY)
REFUSED = Refused(POLICY.limits[0].name, 500, (10,))


def flooded(refused: Refused = REFUSED, times: int = FLOOD) -> RecentRefusals:
    recent = RecentRefusals()
    for _ in range(times):
        recent.refused(ACCOUNT, [50], refused, 1_000)
    return recent


@pytest.mark.parametrize(
    ("recent", "tokens_wanted", "now_ms", "found"),
    [
        (flooded(), 50, 1_000, REFUSED),
        (flooded(), 51, 1_000 + HOLD_MS - 1, REFUSED),
        (flooded(), 49, 1_000, None),  # it may fit
        (flooded(), 50, 1_000 + HOLD_MS, None),  # asks again
        (flooded(), 50, 1_000 + 2 * HOLD_MS, None),
        (flooded(), 50, 999, None),  # the clock was set back
        (flooded(times=FLOOD - 1), 50, 1_000, None),
        (flooded(Refused(IN_FLIGHT, 500, (10,))), 50, 1_000, None),
    ],
)
def test_a_flood_is_told_what_it_was_told(
    recent: RecentRefusals, tokens_wanted: int, now_ms: int, found: Refused | None
) -> None:
    assert recent.find(ACCOUNT, [tokens_wanted], now_ms) == found


def test_another_account_of_the_same_policy_is_asked_for() -> None:
    assert flooded().find(Account.of(POLICY), [50], 1_000) is None


def test_one_request_asks_for_all_and_the_flood_goes_on_if_it_is_refused() -> None:
    recent, at = flooded(), 1_000 + HOLD_MS
    again = Refused(REFUSED.limit, 400, (20,))
    assert [recent.find(ACCOUNT, [50], at) for _ in range(3)] == [None, REFUSED, REFUSED]
    recent.refused(ACCOUNT, [50], again, at + 1)
    assert recent.find(ACCOUNT, [50], at + HOLD_MS - 1) == again
    assert recent.find(ACCOUNT, [50], at + HOLD_MS) is None


def test_one_request_asks_for_all_and_the_flood_is_over_if_it_may_run() -> None:
    recent, at = flooded(), 1_000 + HOLD_MS
    assert recent.find(ACCOUNT, [50], at) is None
    recent.admitted(ACCOUNT, [49])
    assert recent.find(ACCOUNT, [50], at) == REFUSED
    recent.admitted(ACCOUNT, [50])
    assert recent.find(ACCOUNT, [50], at) is None


def test_an_answer_that_never_comes_lets_another_ask() -> None:
    recent, at = flooded(), 1_000 + HOLD_MS
    found = [recent.find(ACCOUNT, [50], now_ms) for now_ms in range(at, at + 3 * HOLD_MS)]
    assert [now_ms for now_ms, said in enumerate(found) if said is None] == [0, HOLD_MS, 2 * HOLD_MS]


def test_the_window_does_not_move_with_the_flood() -> None:
    recent = flooded()
    recent.refused(ACCOUNT, [50], REFUSED, 1_000 + HOLD_MS - 1)
    assert recent.find(ACCOUNT, [50], 1_000 + HOLD_MS) is None


def test_accounts_are_bounded() -> None:
    recent, accounts = RecentRefusals(), [Account.of(POLICY) for _ in range(MAX_ACCOUNTS + 1)]
    for account in accounts:
        for _ in range(FLOOD):
            recent.refused(account, [50], REFUSED, 1_000)
    found = [recent.find(account, [50], 1_000) for account in accounts]
    assert 1 <= sum(each is not None for each in found) <= MAX_ACCOUNTS


def test_most_of_a_flood_does_not_reach_the_budgets(ratelimit: Slice) -> None:
    now_ms = 1_800_000_000_000
    tenants = TenantDecider(
        ratelimit.committer,
        ratelimit.in_flight,
        Registry("m"),
        ratelimit.metrics,
        serialize,
        terms=Terms(default_output=DEFAULT_OUTPUT),
        now_ms=lambda: now_ms,
    )
    ratelimit.service = RatelimitService({DOMAIN: tenants.decide})
    asked = [ratelimit.tell(ask(POLICY, max_tokens="32")) for _ in range(50)]
    assert not any(told.ok for told in asked)
    assert {told.metadata["limit"] for told in asked} == {POLICY.limits[0].name}
    assert {told.headers["x-ratelimit-remaining-tokens"] for told in asked} == {"100"}
    assert ratelimit.metrics.decisions.counts["over_limit"] == 50
    assert round_trips(ratelimit) == FLOOD
    now_ms += HOLD_MS
    assert not ratelimit.tell(ask(POLICY, max_tokens="32")).ok
    assert ratelimit.tell(ask(POLICY, max_tokens="0", content_length="40")).ok
    assert round_trips(ratelimit) == FLOOD + 2


def round_trips(ratelimit: Slice) -> float:
    (family,) = ratelimit.metrics.batch_requests.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_count"))
