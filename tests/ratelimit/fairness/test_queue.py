"""The fair queue, case by case.  What holds of any sequence of steps is in test_properties.py."""

from collections import Counter
from typing import Any

import pytest

from ratelimit.fairness.queue import FairQueue, Share

WEIGHTS = {"a": 500, "b": 50, "c": 100}


def way(tenant: str, group: str = "g", weight: int = 100) -> tuple[Share, Share]:
    return (group, weight), (tenant, WEIGHTS.get(tenant, 100))


def served(queue: FairQueue[str], steps: int) -> Counter[str]:
    """Tokens of service by tenant; each ends before the next begins."""
    totals: Counter[str] = Counter()
    for _ in range(steps):
        ticket = queue.next()
        totals[ticket.item] += ticket.cost
        queue.end(ticket)
    return totals


def test_weights_of_tenants_and_groups_before_tenants() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(3000):
        queue.push("a", 100, way("a"))
        queue.push("b", 100, way("b"))
    totals = served(queue, 1100)
    assert totals["a"] == pytest.approx(10 * totals["b"], rel=0.01)

    groups: FairQueue[str] = FairQueue()
    for _ in range(2000):
        groups.push("large", 10, way("a", "large", 300))
        groups.push("small", 10, way("b", "small", 100))
        groups.push("small", 10, way("c", "small", 100))
    totals = served(groups, 2000)
    assert totals["large"] == pytest.approx(3 * totals["small"], rel=0.01)


def test_long_answers_get_no_more_tokens_than_short_ones() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(2000):
        queue.push("c", 1000, way("c"))
        queue.push("d", 100, way("d"))
    totals = served(queue, 1000)
    assert totals["c"] == pytest.approx(totals["d"], abs=1000)


@pytest.mark.parametrize("runs", [False, True], ids=["with nothing at all", "with a long one that runs"])
def test_having_had_nothing_waiting_is_no_credit(runs: bool) -> None:
    queue: FairQueue[str] = FairQueue()
    if runs:
        queue.run("d", 1, way("d"))
    for _ in range(100):
        queue.push("c", 100, way("c"))
    served(queue, 50)
    for _ in range(50):
        queue.push("d", 100, way("d"))
    totals = served(queue, 20)
    assert totals["c"] == totals["d"]


def test_an_estimate_that_was_wrong_is_corrected() -> None:
    """c's requests turn out ten times as long; from then on it waits until d has had as much."""
    queue: FairQueue[str] = FairQueue()
    for _ in range(200):
        queue.push("c", 100, way("c"))
        queue.push("d", 100, way("d"))
    had: Counter[str] = Counter()
    for _ in range(110):
        ticket = queue.next()
        service = 1000 if ticket.item == "c" else 100
        queue.charge(ticket, service)
        queue.end(ticket)
        had[ticket.item] += service
    assert had["c"] == pytest.approx(had["d"], abs=1000)


@pytest.mark.parametrize("comes", [("o", "g"), ("o", "other")], ids=["a tenant", "a group"])
def test_one_that_comes_does_not_pay_for_estimates_of_others_that_were_too_high(comes: tuple[str, str]) -> None:
    """Time had come to where two that run at once were taken for."""
    queue: FairQueue[str] = FairQueue()
    running = [queue.run("c", 500, way("c")) for _ in range(2)]
    for _ in range(50):
        queue.push("c", 20, way("c"))
    for _ in range(4):
        ticket = running.pop(0)
        queue.end(ticket, 20)
        running.append(queue.next())
    for _ in range(3):
        queue.push("o", 20, way(*comes))
    assert [queue.next().item for _ in range(6)].count("o") == 3


def test_debt_ends_with_the_contention() -> None:
    queue: FairQueue[str] = FairQueue()
    ticket = queue.run("c", 10, way("c"))
    queue.charge(ticket, 10**6)
    queue.end(ticket)
    first = queue.run("x", 1, way("x"))
    for _ in range(4):
        queue.push("c", 100, way("c"))
        queue.push("d", 100, way("d"))
    assert Counter(queue.next().item for _ in range(4)) == {"c": 2, "d": 2}
    queue.end(first)


def test_what_is_had_elsewhere_counts_here() -> None:
    """A tenant who spreads over sidecars gets no more than one who uses one."""
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.push("c", 100, way("c"))
        queue.push("d", 100, way("d"))
    queue.charge_elsewhere(way("c"), 1000)
    queue.charge_elsewhere(way("nobody"), 1000)
    totals = served(queue, 40)
    assert totals["c"] + 1000 == pytest.approx(totals["d"], abs=100)


def test_who_has_to_go_is_the_newest_of_those_with_most_waiting_for_their_weight() -> None:
    queue: FairQueue[Any] = FairQueue()
    for number in range(100):
        queue.push(("a", number), 1, way("a"))  # weight 500
    for number in range(30):
        queue.push(("b", number), 1, way("b"))  # weight 50
    assert queue.last().item == ("b", 29)
    for _ in range(20):
        queue.remove(queue.last())
    assert queue.last().item == ("a", 99)


def test_who_has_to_go_when_a_weight_has_become_less() -> None:
    queue: FairQueue[str] = FairQueue()
    tickets = [queue.push("c", 1, (("g", 100), ("c", 1000))) for _ in range(3)]
    queue.push("d", 1, way("d"))
    queue.remove(tickets.pop())
    assert queue.last().item == "d"
    queue.push("c", 1, (("g", 100), ("c", 10)))
    assert queue.last().item == "c"


def test_a_new_weight_counts_from_the_next_request_on() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(1000):
        queue.push("c", 10, way("c"))
        queue.push("d", 10, way("d"))
    served(queue, 100)
    queue.push("c", 10, (("g", 100), ("c", 300)))
    totals = served(queue, 400)
    assert totals["c"] == pytest.approx(3 * totals["d"], rel=0.05)


def test_how_much_is_ahead() -> None:
    queue: FairQueue[str] = FairQueue()
    assert queue.ahead_of(way("c")) == (0, 0)
    for _ in range(10):
        queue.push("c", 100, way("c"))
        queue.push("d", 100, way("d"))
    assert queue.ahead_of(way("c")) == (2000, 20)
    assert queue.ahead_of(way("new")) == (0, 0)
    assert queue.waiting_of(way("c")) == queue.waiting_of(way("d")) == 10
    assert queue.waiting_of(way("g")[:1]) == 20


def test_what_goes_leaves_nothing() -> None:
    queue: FairQueue[int] = FairQueue()
    stays = queue.push(0, 1, way("c"))
    for number in range(10_000):
        queue.remove(queue.push(number, 1, way(f"t{number % 100}", f"g{number % 7}")))
    assert queue.remembered() <= 2
    assert queue.entries() < 1000
    queue.remove(stays)
    assert queue.remembered() == queue.entries() == 0
