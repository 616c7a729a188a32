"""The fair queue's promises, on any sequence of steps."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.fairness.queue import FairQueue, Share, Ticket

WEIGHTS = {"a": 500, "b": 50, "c": 100}
COSTS = st.integers(1, 1000)


def way(tenant: str, group: str = "g", weight: int = 100) -> tuple[Share, Share]:
    return Share(group, weight), Share(tenant, WEIGHTS.get(tenant, 100))


def served(queue: FairQueue[str], steps: int) -> Counter[str]:
    """Tokens of service by tenant; each ends before the next begins."""
    totals: Counter[str] = Counter()
    for _ in range(steps):
        ticket = queue.next()
        totals[ticket.item] += ticket.cost
        queue.end(ticket)
    return totals


@given(st.lists(st.tuples(st.sampled_from("abc"), COSTS), min_size=1, max_size=60))
def test_what_waits_runs_once_and_in_its_own_line_first_come_first_served(asked: list[tuple[str, int]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (tenant, cost) in enumerate(asked):
        queue.push(number, cost, way(tenant))
    order = []
    while len(queue):
        order.append(queue.next().item)
    assert sorted(order) == list(range(len(asked)))
    for tenant in "abc":
        line = [number for number in order if asked[number][0] == tenant]
        assert line == sorted(line)


@given(st.lists(COSTS, min_size=40, max_size=40), st.lists(COSTS, min_size=40, max_size=40), st.integers(1, 500))
def test_two_that_wait_all_the_time_differ_by_their_largest_requests(
    of_a: list[int], of_b: list[int], weight: int
) -> None:
    """At each moment, and from each moment on."""
    weights = {"a": weight, "b": 100}
    queue: FairQueue[str] = FairQueue()
    for a, b in zip(of_a, of_b, strict=True):
        queue.push("a", a, (Share("g", 1), Share("a", weight)))
        queue.push("b", b, (Share("g", 1), Share("b", 100)))
    waiting, gaps = {"a": 40, "b": 40}, [0.0]
    had = {"a": 0.0, "b": 0.0}
    while all(waiting.values()):
        ticket = queue.next()
        waiting[ticket.item] -= 1
        had[ticket.item] += ticket.cost / weights[ticket.item]
        gaps.append(had["a"] - had["b"])
    assert max(gaps) - min(gaps) <= max(of_a) / weight + max(of_b) / 100 + 1e-6


@given(st.data())
def test_any_sequence_keeps_account(data: st.DataObject) -> None:
    """Conservation, work conservation, and nothing is remembered once all is over."""
    queue: FairQueue[int] = FairQueue()
    waiting: list[Ticket[int]] = []
    running: list[Ticket[int]] = []
    for number in range(data.draw(st.integers(1, 60))):
        step = data.draw(st.sampled_from(["push", "next", "end", "remove", "charge", "shed", "elsewhere"]))
        tenant, group = data.draw(st.sampled_from("abc")), data.draw(st.sampled_from("xy"))
        if step == "push":
            waiting.append(queue.push(number, data.draw(COSTS), way(tenant, group)))
        elif step == "next" and waiting:
            ticket = queue.next()
            waiting.remove(ticket)
            running.append(ticket)
        elif step == "end" and running:
            queue.end(running.pop(data.draw(st.integers(0, len(running) - 1))))
        elif step == "remove" and waiting:
            queue.remove(waiting.pop(data.draw(st.integers(0, len(waiting) - 1))))
        elif step == "charge" and running:
            queue.charge(data.draw(st.sampled_from(running)), data.draw(COSTS))
        elif step == "shed" and waiting:
            ticket = queue.last()
            waiting.remove(ticket)
            queue.remove(ticket)
        elif step == "elsewhere":
            queue.charge_elsewhere(way(tenant, group), data.draw(COSTS))
        assert (len(queue), queue.running) == (len(waiting), len(running))
        assert queue.backlog == sum(ticket.cost for ticket in waiting)
    while len(queue):
        running.append(queue.next())
    for ticket in running:
        queue.end(ticket)
    assert queue.remembered() == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), COSTS), min_size=1, max_size=40))
def test_the_same_steps_give_the_same_order(asked: list[tuple[str, int]]) -> None:
    def order() -> list[int]:
        queue: FairQueue[int] = FairQueue()
        for number, (tenant, cost) in enumerate(asked):
            queue.push(number, cost, way(tenant))
        return [queue.next().item for _ in asked]

    assert order() == order()


@given(st.lists(COSTS, min_size=1, max_size=200), COSTS)
def test_a_flood_adds_to_the_wait_of_others_at_most_one_request(flood: list[int], cost: int) -> None:
    """Nobody starves: of equal weights, the other one is next, or the one after."""
    queue: FairQueue[str] = FairQueue()
    for each in flood:
        queue.push("flood", each, way("flood"))
    queue.push("other", cost, way("other"))
    assert "other" in [queue.next().item for _ in range(min(2, len(queue)))]


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


def test_having_been_idle_is_no_credit() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.push("c", 100, way("c"))
    for _ in range(50):
        queue.end(queue.next())
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


def test_a_new_weight_counts_from_the_next_request_on() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(1000):
        queue.push("c", 10, way("c"))
        queue.push("d", 10, way("d"))
    served(queue, 100)
    queue.push("c", 10, (Share("g", 100), Share("c", 300)))
    totals = served(queue, 400)
    assert totals["c"] == pytest.approx(3 * totals["d"], rel=0.05)


def test_how_much_is_ahead() -> None:
    queue: FairQueue[str] = FairQueue()
    assert queue.ahead_of(way("c")) == 0
    for _ in range(10):
        queue.push("c", 100, way("c"))
        queue.push("d", 100, way("d"))
    assert queue.ahead_of(way("c")) == 2000
    assert queue.ahead_of(way("new")) == 0
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
