"""The settler: what is charged, in which way, and what one bad settlement costs the others."""

import time
from collections.abc import Iterator, Sequence

import pytest

from accesslog.delivery import Deliveries
from accesslog.entry import LogEntry
from accesslog.file_log.line import read_line
from accesslog.metrics import AccessLogMetrics
from accesslog.settle import BATCH, Settler, read_rules, settlement_of
from accesslog.usage import usage_of
from ratelimit.budgets.port import BudgetsUnavailable, LeaseName, Settled, Settlement
from ratelimit.budgets.rule import MOST_COST, UNKNOWN, Used
from ratelimit.commit.in_doubt import InDoubt
from ratelimit.tenants.account import Account
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.policy import Policy
from tests.accesslog.entries import CHAT_USAGE, decision, entry, line
from tests.accesslog.stack import wait_until
from tests.ratelimit.memory import MemoryBudgets
from tests.ratelimit.stores import reservation

LIMITS = (Limit(Scope.TENANT, Unit.TOKENS, 1000, 60), Limit(Scope.KEY, Unit.REQUESTS, 5, 3600, "key_1"))
ACCOUNT = Account.of(Policy("acme", "key_1", limits=LIMITS))


class Failing(MemoryBudgets):
    """Cannot be asked for `away` calls, and cannot settle requests of the tenant `bad` at all."""

    def __init__(self, away: int = 0) -> None:
        super().__init__(lambda: 0, 60.0)
        self.away, self.settled = away, list[str]()

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        if self.away > 0:
            self.away -= 1
            raise BudgetsUnavailable("away")
        if any(settlement.owner == "bad" for settlement in batch):
            raise ValueError("bad")
        self.settled += [settlement.lease_id for settlement in batch]
        return [Settled.SETTLED] * len(batch)


class Subject:
    def __init__(self, away: int = 0, max_pending: int = 1000) -> None:
        self.budgets, self.deliveries = Failing(away), Deliveries()
        self.settler = Settler(self.budgets, self.deliveries, AccessLogMetrics(), max_pending, retry_seconds=0.01)

    def offer(self, *lease_ids: str, tenant_id: str = "acme") -> list[bool]:
        return [self.settler.offer(Settlement(tenant_id, lease_id, Used(5))) for lease_id in lease_ids]


@pytest.fixture
def subject() -> Iterator[Subject]:
    made = Subject(away=3)
    made.settler.start()
    yield made
    made.settler.close(1.0)


def settlement(**changes: object) -> Settlement | None:
    found = read_line(line(entry(decision(**changes), CHAT_USAGE)))
    assert isinstance(found, LogEntry)
    return settlement_of(found, usage_of(found))


@pytest.mark.parametrize("admission", ["fast", "queued"])
def test_an_admitted_request_settles_its_lease(admission: str) -> None:
    found = settlement(admission=admission)
    assert found is not None
    assert (found.owner, sum(found.used[:2]), found.direct) == ("acme", 42, False)


@pytest.mark.parametrize("admission", ["local", "unmetered"])
def test_a_request_without_a_lease_is_charged_to_its_limits(admission: str) -> None:
    found = settlement(admission=admission, limits=ACCOUNT.rule_set.charges)
    assert found is not None
    assert (sum(found.used[:2]), found.direct, found.rules) == (42, True, ACCOUNT.rule_set.rules)


def test_a_refused_request_holds_nothing() -> None:
    assert settlement(admission="refused", denied="429") is None


NO_RULES = ("", "-", "x", "{}", "3", "[[1]]", '[["moon","tokens",1,1,""]]', "null")


@pytest.mark.parametrize("key", ["tollkeeper:model:{gpt}", "x{a}", "tollkeeper:budget:a", "tollkeeper:budget:{}:a"])
def test_a_rule_of_another_key_than_a_budget_s_is_none(key: str) -> None:
    assert read_rules(f'[["{key}","b60000",1,1]]') == ()
    assert len(read_rules('[["tollkeeper:budget:{a}:b","b60000",1,1]]')) == 1


@pytest.mark.parametrize("text", [*NO_RULES, '[["k{a}","x1",1,1]]', '[["k{a}","b1",1,[1]]]', '[["k","b1",1,1]]'])
def test_limits_that_cannot_be_read_are_none(text: str) -> None:
    assert read_rules(text) == ()


def test_what_is_not_taken_is_tried_again(subject: Subject) -> None:
    subject.offer("a", "b")
    wait_until(lambda: sorted(subject.budgets.settled) == ["a", "b"])
    assert subject.settler.pending == 0


def test_one_that_cannot_be_settled_does_not_hold_up_the_others(subject: Subject) -> None:
    subject.offer("a")
    subject.offer("b", tenant_id="bad")
    subject.offer("c")
    wait_until(lambda: sorted(subject.budgets.settled) == ["a", "c"])


def test_a_lease_that_is_taken_after_it_was_given_back_is_given_back_again() -> None:
    """Its request ended while another process still asked the budgets for it."""
    budgets, metrics = MemoryBudgets(lambda: 0, 60.0), AccessLogMetrics()
    settler = Settler(budgets, Deliveries(), metrics, doubts=InDoubt(time.monotonic, 0.1))
    settler.start()
    settler.offer(LeaseName("acme", "late"))
    wait_until(lambda: metrics.settled.counts["gone"] == 1)
    budgets.reserve([reservation(ACCOUNT, 1, "late"), reservation(ACCOUNT, 1, "other")])
    wait_until(lambda: [*budgets.running()] == [[LeaseName("acme", "other")]])
    settler.close(1.0)


def test_there_is_room_for_so_many() -> None:
    subject = Subject(max_pending=3)
    assert subject.offer("a", "b", "c", "d") == [True, True, True, False]


def test_the_end_settles_what_is_queued() -> None:
    subject = Subject()
    subject.offer(*(str(i) for i in range(3 * BATCH)))
    subject.settler.start()
    subject.settler.close(10.0)
    assert len(subject.budgets.settled) == 3 * BATCH


def test_the_end_does_not_wait_for_ever() -> None:
    subject = Subject(away=10**9)
    subject.settler.start()
    subject.offer("a")
    start = time.monotonic()
    subject.settler.close(0.3)
    assert time.monotonic() - start < 3.0
    assert not subject.deliveries.is_done("a")


@pytest.mark.parametrize(("cost", "counted"), [(UNKNOWN, UNKNOWN), (7, 7), (10**18, MOST_COST)])
def test_a_cost_that_redis_could_not_count_exactly_counts_as_the_most_that_it_can(cost: int, counted: int) -> None:
    found = read_line(line(entry(decision(), CHAT_USAGE)))
    assert isinstance(found, LogEntry)
    made = settlement_of(found, usage_of(found), cost)
    assert made is not None
    assert made.used.cost == counted
