"""Redis did as it was asked, and its reply was lost: nothing is taken twice, and what nobody uses is given back."""

import time
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue

import pytest

from ratelimit.budgets.port import Admitted, BudgetsUnavailable, Decision, Reservation, Settlement
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.rule import Rule, RuleSet, Used
from ratelimit.commit.fallback import FailureMode, Fallback, Outcome
from ratelimit.commit.group_commit import GroupCommit
from ratelimit.commit.in_doubt import InDoubt
from ratelimit.metrics import RatelimitMetrics
from ratelimit.tenants.account import Account
from ratelimit.tenants.decider import wall_clock_ms
from store.redis import open_redis
from tenancy.values.admission import Admission
from tenancy.values.policy import Policy
from tests.ratelimit.conftest import LEASE_SECONDS
from tests.ratelimit.stores import peek_at, requests, reservation, tokens
from tests.serving.conftest import eventually

ACCOUNT = Account.of(Policy("acme", "key-1", limits=(tokens(1000), requests(100))))


# Whether it may run, and how it was admitted.
ANSWERED = {
    FailureMode.DENY: (False, Admission.FAST),
    FailureMode.ALLOW: (True, Admission.UNMETERED),
    FailureMode.LOCAL: (True, Admission.LOCAL),
}


class LosesReplies(RedisBudgets):
    """Real budgets over a line that breaks after a batch was executed, as long as `broken`."""

    broken = False

    def reserve(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        decisions = super().reserve(batch)
        if self.broken:
            raise BudgetsUnavailable("reply lost")
        return decisions


@pytest.mark.parametrize("mode", FailureMode)
def test_what_was_reserved_though_the_reply_was_lost_is_released(redis_url: str, mode: FailureMode) -> None:
    budgets = LosesReplies(partial(open_redis, redis_url, timeout=5.0), LEASE_SECONDS, timeout=5.0)
    fallback, doubts = Fallback(mode, wall_clock_ms), InDoubt(time.monotonic, 0.1)
    committer = GroupCommit(budgets, budgets.ping, fallback, RatelimitMetrics(), doubts=doubts)
    committer.start()
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    budgets.broken = True
    assert committer.reserve(reservation(ACCOUNT, 100, "lost"), outcomes.put) is None
    outcome = outcomes.get(timeout=10)
    assert (outcome.decision is not None, outcome.admission) == ANSWERED[mode]
    budgets.broken = False
    if mode is FailureMode.DENY:
        eventually(lambda: peek_at(redis_url, ACCOUNT) == [1000, 100])
    else:
        budgets.settle([Settlement("acme", "lost", Used(30), True, ACCOUNT.rule_set.rules)])
        eventually(lambda: not len(doubts))
        assert peek_at(redis_url, ACCOUNT) == [970, 99]
    committer.close()
    budgets.close()


def test_what_has_no_lease_cannot_be_given_back(redis_url: str) -> None:
    budgets = LosesReplies(partial(open_redis, redis_url, timeout=5.0), LEASE_SECONDS, timeout=5.0)
    doubts = InDoubt(time.monotonic, 0.1)
    committer = GroupCommit(
        budgets, budgets.ping, Fallback(FailureMode.DENY, wall_clock_ms), RatelimitMetrics(), doubts=doubts
    )
    committer.start()
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    of = RuleSet.of("descriptors", [Rule("tollkeeper:budget:{descriptors}:a", "b86400000", 10)])
    assert committer.reserve(Reservation(of, [4]), outcomes.put) is None
    assert outcomes.get(timeout=10) == Outcome(Admitted((6,)))
    budgets.broken = True
    assert committer.reserve(Reservation(of, [4]), outcomes.put) is None
    assert outcomes.get(timeout=10) == Outcome(None)
    assert len(doubts) == 0
    budgets.broken = False
    eventually(lambda: committer.available)
    assert committer.reserve(Reservation(of, [1]), outcomes.put) is None
    assert outcomes.get(timeout=10) == Outcome(Admitted((1,)))
    committer.close()
    budgets.close()


def test_what_redis_did_though_its_reply_was_lost_is_not_done_again(redis_url: str) -> None:
    budgets = LosesReplies(partial(open_redis, redis_url, timeout=5.0), LEASE_SECONDS, timeout=5.0)
    fallback = Fallback(FailureMode.DENY, wall_clock_ms)
    committer = GroupCommit(budgets, budgets.ping, fallback, RatelimitMetrics(), patience_seconds=30.0)
    committer.start()
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    budgets.broken = True
    for n in range(10):  # the last takes all that there is
        committer.reserve(reservation(ACCOUNT, 100, f"lost-{n}"), outcomes.put)
    eventually(lambda: peek_at(redis_url, ACCOUNT) == [0, 90])
    budgets.broken = False
    answers = [outcomes.get(timeout=10).decision for _ in range(10)]
    assert all(isinstance(answer, Admitted) for answer in answers)
    assert peek_at(redis_url, ACCOUNT) == [0, 90]
    committer.close()
    budgets.close()
