"""Who waits for a slot, and for how long; without a store."""

from collections.abc import Callable

import pytest

from ratelimit.budgets.port import Refused
from ratelimit.commit.slots import MOST_OF_ONE, RETRIES_SECONDS, WAIT_SECONDS, Asking, Slots
from ratelimit.tenants.account import IN_FLIGHT, Account
from tests.ratelimit.stores import account, reservation, tokens

FULL = Refused(IN_FLIGHT, 1000, (1,))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def asking(of: Account, waits: Callable[[], bool] = lambda: True) -> Asking:
    return Asking(reservation(of, 1), lambda outcome: None, waits)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slots(clock: Clock) -> Slots:
    return Slots(clock, most=100)


TWO = account(tokens(100), max_in_flight=2)


def test_what_waits_asks_again_until_it_gives_up(slots: Slots, clock: Clock) -> None:
    one = asking(TWO)
    began = clock.now
    assert slots.add(one, FULL)
    for after in RETRIES_SECONDS:
        assert slots.take_due() == ([], [])
        clock.now = began + after
        assert slots.seconds_until_due() == 0.0
        assert slots.take_due() == ([one], [])
        assert slots.add(one, FULL)
    clock.now = began + WAIT_SECONDS
    assert slots.take_due() == ([], [one])
    assert (len(slots), slots.seconds_until_due()) == (0, None)
    assert not slots.add(one, FULL)


def test_of_an_owner_the_first_asks_and_the_others_wait(slots: Slots, clock: Clock) -> None:
    first, second = asking(TWO), asking(TWO)
    assert slots.add(first, FULL)
    clock.now += 0.001
    assert slots.add(second, FULL)
    clock.now += RETRIES_SECONDS[0]
    assert slots.take_due() == ([first], [])
    assert slots.add(first, FULL)  # refused again: it keeps its place
    assert slots.take("acme") == [first]
    assert slots.take("acme", 5) == [second]
    assert slots.take("acme") == []


def test_no_more_wait_than_there_are_slots(slots: Slots) -> None:
    assert [slots.add(asking(TWO), FULL) for _ in range(3)] == [True, True, False]
    many = account(tokens(100), tenant_id="many", max_in_flight=1000)
    assert sum(slots.add(asking(many), FULL) for _ in range(200)) == MOST_OF_ONE
    others = [account(tokens(1), tenant_id=f"t{i}", max_in_flight=1) for i in range(100)]
    assert sum(slots.add(asking(each), FULL) for each in others) == 100 - MOST_OF_ONE - 2


def test_a_caller_that_does_not_wait_is_answered(slots: Slots) -> None:
    assert not slots.add(asking(TWO, lambda: False), FULL)
    assert len(slots) == 0


def test_a_caller_that_has_left_is_forgotten(slots: Slots, clock: Clock) -> None:
    gone, other = asking(TWO), asking(TWO)
    assert slots.add(gone, FULL)
    assert slots.add(other, FULL)
    assert slots.forget(gone.reservation)
    assert not slots.forget(gone.reservation)
    clock.now += WAIT_SECONDS
    assert slots.take_due() == ([], [other])


def test_all_leave_at_the_end(slots: Slots) -> None:
    waiting = [asking(account(tokens(1), tenant_id=f"t{i}", max_in_flight=1)) for i in range(3)]
    assert all(slots.add(each, FULL) for each in waiting)
    assert slots.take_all() == waiting
    assert len(slots) == 0


def test_only_slots_are_waited_for() -> None:
    assert asking(TWO).lacks_slot(FULL)
    assert not asking(TWO).lacks_slot(Refused("tenant:tokens:86400s", 5, (1,)))
