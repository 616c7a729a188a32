"""Room, waiting, and who has to go."""

import pytest

from ratelimit.fairness.floor import Asked, Floor, Full, Terms
from ratelimit.fairness.pools import Room
from ratelimit.fairness.queue import Share, Ticket

Way = tuple[Share, Share]


def way(tenant: str, weight: int = 100, group: str = "g") -> Way:
    return (group, 100), (tenant, weight)


def floor_of(most: int, **terms: float) -> Floor[str]:
    floor: Floor[str] = Floor(Terms(**terms))  # type: ignore[arg-type]
    floor.most = most
    return floor


def ask(floor: Floor[str], tenant: str, now: float = 0.0, model: str = "m", cost: int = 100) -> Ticket[str]:
    asked = floor.ask(tenant, cost, way(tenant), model, now)
    assert isinstance(asked, Asked)
    return asked.ticket


def test_what_finds_room_runs_at_once_and_what_does_not_waits_for_it() -> None:
    floor = floor_of(2)
    running = [ask(floor, "a"), ask(floor, "a")]
    waits = ask(floor, "b")
    assert (floor.running, floor.waiting) == (2, 1)
    assert floor.admit(1.0) is None
    floor.over(running[0])
    assert floor.admit(1.0) is waits
    assert (floor.running, floor.waiting) == (2, 0)


def test_nobody_passes_those_who_wait() -> None:
    floor = floor_of(1)
    ask(floor, "a")
    waits = ask(floor, "b")
    floor.most = 2
    late = floor.ask("c", 1, way("c"), "m", 0.0)
    assert isinstance(late, Asked)
    assert late.waits
    assert floor.admit(0.0) is waits


def test_a_slow_model_does_not_hold_up_a_fast_one() -> None:
    floor = floor_of(100)
    floor.bound({"slow": Room(1)})
    ask(floor, "a", model="slow")
    for _ in range(50):
        ask(floor, "a", model="slow")
    fast = floor.ask("b", 1, way("b"), "fast", 0.0)
    assert isinstance(fast, Asked)
    assert not fast.waits


def test_pools_part_the_room_by_the_weights_of_those_who_wait() -> None:
    floor: Floor[str] = Floor(Terms())
    floor.bound({"x": Room(1000)})
    running = [ask(floor, "a", model="x")]
    floor.most = 1
    for _ in range(100):
        floor.ask("x", 100, (("one", 100), ("a", 100)), "x", 0.0)
        floor.ask("rest", 100, (("two", 300), ("b", 100)), "m", 0.0)
    served = []
    for _ in range(80):
        floor.over(running.pop())
        ticket = floor.admit(1.0)
        assert ticket is not None
        running.append(ticket)
        served.append(ticket.item)
    assert served.count("rest") == pytest.approx(60, abs=1)


def test_what_has_waited_too_long_is_taken_out() -> None:
    floor = floor_of(1, queue_seconds=5)
    ask(floor, "a")
    old, young = ask(floor, "b", now=1.0), ask(floor, "b", now=3.0)
    assert floor.expired(5.9) == []
    assert [ticket for ticket, _ in floor.expired(6.0)] == [old]
    floor.leave(young, 6.0)
    assert floor.expired(8.0) == []


def test_what_cannot_be_served_in_time_is_refused_at_once() -> None:
    """One a second is served, and ten are ahead."""
    floor = floor_of(1, queue_seconds=10)
    running = ask(floor, "a")
    for _ in range(8):
        ask(floor, "b", now=0.0)
    for second in range(1, 6):
        floor.over(running)
        ticket = floor.admit(float(second))
        assert ticket is not None
        running = ticket
    for _ in range(7):
        ask(floor, "b", now=5.0)
    full = floor.ask("b", 100, way("b"), "m", 5.0)
    assert isinstance(full, Full)
    assert full.why == "too_long"
    assert 1 <= full.retry_seconds <= 5
    other = floor.ask("c", 100, way("c"), "m", 5.0)  # its share is half of the pace, and nothing of its own is ahead
    assert isinstance(other, Asked)


def test_a_full_queue_sends_away_the_newest_of_those_furthest_above_their_share() -> None:
    floor = floor_of(1, most_queued=4)
    ask(floor, "a")
    for _ in range(3):
        ask(floor, "flood")
    last = ask(floor, "flood")
    asked = floor.ask("other", 100, way("other"), "m", 0.0)
    assert isinstance(asked, Asked)
    assert asked.displaced is not None
    assert asked.displaced[0] is last
    assert floor.waiting == 4
    full = floor.ask("flood", 100, way("flood"), "m", 0.0)
    assert isinstance(full, Full)
    assert full.why == "queue_full"


def test_a_tenant_has_a_bound_of_its_own_and_without_a_queue_nothing_waits() -> None:
    floor = floor_of(1, most_queued_of_tenant=1)
    ask(floor, "a")
    ask(floor, "a")
    full = floor.ask("a", 100, way("a"), "m", 0.0)
    assert isinstance(full, Full)
    assert full.why == "tenant_queue_full"
    none = floor_of(1, queue_seconds=0)
    ask(none, "a")
    assert none.ask("a", 100, way("a"), "m", 0.0) == Full("no_queue", 1.0)


def test_a_pool_that_is_new_owes_nothing_and_is_owed_nothing() -> None:
    """What the others were served before it came is no debt of theirs."""
    floor = floor_of(1)
    running = ask(floor, "a")
    for _ in range(40):
        ask(floor, "a")
    for _ in range(20):
        floor.over(running)
        running = next_of(floor)
    floor.bound({"x": Room(10)})
    for _ in range(20):
        ask(floor, "b", model="x")
    served = []
    for _ in range(20):
        floor.over(running)
        running = next_of(floor)
        served.append(running.item)
    assert served.count("b") == pytest.approx(10, abs=1)


def next_of(floor: Floor[str]) -> Ticket[str]:
    ticket = floor.admit(0.0)
    assert ticket is not None
    return ticket


def test_a_model_that_loses_its_bound_shares_again_once_its_pool_is_empty() -> None:
    floor = floor_of(10)
    floor.bound({"x": Room(1)})
    ticket = ask(floor, "a", model="x")
    waits = ask(floor, "a", model="x")
    floor.bound({})
    assert floor.admit(0.0) is waits
    floor.over(ticket)
    floor.over(waits)
    floor.bound({})
    assert floor.pool_of("x") is floor.pool_of("anything")
