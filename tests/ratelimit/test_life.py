"""The life of a request, told to the register event by event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.early_ends import MAX_EARLY
from ratelimit.in_flight import InFlight
from ratelimit.life import (
    ABANDONED,
    ASKED,
    ORPHANED,
    OVER,
    QUEUED,
    REFUSED,
    RUNNING,
    SETTLED,
    Event,
    Impossible,
    Life,
    Moves,
    State,
)
from ratelimit.scheduler import Bound
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy

POLICY = Policy("t", "k")
IN_FLIGHT = {ASKED, QUEUED, RUNNING}


class Subject:
    """A register with one request, and another that is not touched."""

    def __init__(self) -> None:
        self.register = InFlight()
        life, other = (self.register.enter(mint_lease_id(at), POLICY) for at in (1, 2**40))
        assert life is not None
        assert other is not None
        self.life = life
        self.gone: list[bool] = []

    def tell(self, event: str) -> None:
        if event == "end":
            self.register.end(self.life.lease_id)
        elif event == "expire":
            self.register.expire(self.register.older_than(2))
        elif event in ("leave", "lose"):
            self.gone.append(getattr(self.register, event)(self.life))
        else:
            getattr(self.register, event)(self.life)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("", ASKED),
        ("admit", RUNNING),
        ("admit end", OVER),
        ("refuse", REFUSED),
        # The caller goes before the answer; nobody waits for it any more.
        ("leave", ABANDONED),
        ("leave admit lose", ABANDONED),
        ("leave refuse", ABANDONED),
        # The answer does not arrive.
        ("admit lose", ABANDONED),
        ("admit leave lose", ABANDONED),
        ("admit lose lose", ABANDONED),
        ("admit lose end", ABANDONED),
        # Engines that report the end of every call.
        ("admit leave", RUNNING),
        ("admit leave end", OVER),
        ("refuse leave", REFUSED),
        # What comes late, or twice.
        ("admit end end", OVER),
        ("admit end lose", OVER),
        ("admit end expire", OVER),
        ("refuse end", REFUSED),
        # A log entry is believed, whatever it comes upon.
        ("end", OVER),
        ("end admit", OVER),
        ("end refuse", OVER),
        # The lease expires.
        ("admit expire", ORPHANED),
        ("admit expire end", ORPHANED),
        ("admit expire lose", ORPHANED),
        ("expire admit", ORPHANED),
    ],
)
def test_a_request_goes_through_its_states(told: str, state: State) -> None:
    subject = Subject()
    for event in told.split():
        subject.tell(event)
    assert subject.life.state is state
    assert len(subject.register) == (2 if state in IN_FLIGHT else 1)
    assert [tenant.count for tenant in subject.register.tenants()] == [len(subject.register)]


@pytest.mark.parametrize(
    "told",
    ["admit admit", "admit refuse", "refuse admit", "refuse refuse", "lose"],
)
def test_a_second_answer_is_a_bug(told: str) -> None:
    subject = Subject()
    *before, last = told.split()
    for event in before:
        subject.tell(event)
    with pytest.raises(Impossible):
        subject.tell(last)


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        ("leave admit lose", [True, False]),
        ("admit leave lose lose", [False, True, False]),
        ("admit end lose", [False]),
        ("refuse leave", [False]),
    ],
)
def test_what_may_be_held_is_given_back_once(told: str, gone: list[bool]) -> None:
    subject = Subject()
    for event in told.split():
        subject.tell(event)
    assert subject.gone == gone


def test_a_request_that_waits_for_room_goes_on_as_others_do() -> None:
    assert (Event.QUEUE[ASKED], Event.TURN[QUEUED]) == (QUEUED, ASKED)
    after = {Event.LEAVE[QUEUED], Event.END[QUEUED], Event.EXPIRE[QUEUED]}
    assert after == {ABANDONED, OVER, ORPHANED}


def test_only_what_is_over_is_settled() -> None:
    assert Event.SETTLE[OVER] is SETTLED
    assert all(state in (OVER, SETTLED) or Event.SETTLE.get(state, state) is state for state in State)


GOES = [Event.LEAVE, Event.LOSE, Event.END, Event.EXPIRE, Event.SETTLE]


@pytest.mark.parametrize("moves", GOES, ids=["leave", "lose", "end", "expire", "settle"])
def test_what_left_flight_does_not_come_back(moves: Moves) -> None:
    assert all(moves[state] not in IN_FLIGHT for state in State if state not in IN_FLIGHT)


def test_an_end_of_a_request_of_another_process_is_none_of_ours() -> None:
    subject = Subject()
    subject.register.end_all(["of another process", mint_lease_id(1)])
    assert len(subject.register) == 2


def test_a_request_that_comes_after_its_end_is_over_from_the_start() -> None:
    register, lease_id = InFlight(), mint_lease_id(1)
    register.end_undecided([lease_id])
    late = register.enter(lease_id, POLICY, 5)
    assert late is not None
    assert not register.admit(late)
    assert not register.lose(late)
    assert (late.state, len(register), register.tenants(), register.heard) == (OVER, 0, [], 1)
    assert register.enter(lease_id, POLICY, 5) is not None  # heard once
    assert len(register) == 1


def test_an_end_before_the_answer_leaves_nobody_to_run_it() -> None:
    register, ids = InFlight(), [mint_lease_id(at) for at in (1, 2)]
    early, late = (register.enter(each, POLICY, 5) for each in ids)
    assert early is not None
    assert late is not None
    register.end_undecided(ids[:1])
    assert (register.admit(early), register.admit(late)) == (False, True)
    assert len(register) == 1


def test_no_more_early_ends_are_kept_than_there_is_room_for() -> None:
    register = InFlight()
    first, *others = (mint_lease_id(1) for _ in range(MAX_EARLY + 1))
    register.end_undecided([first, *others])
    assert register.enter(first, POLICY) is not None
    assert len(register) == 1


def test_how_long_a_request_is_in_flight_counts_from_when_it_came() -> None:
    register = InFlight()
    first, second = (register.enter(mint_lease_id(id_ms), POLICY, now_ms) for id_ms, now_ms in ((900, 1000), (1, 1001)))
    assert register.older_than(1001) == [first]
    register.expire(register.older_than(1002))
    assert (len(register), second and second.state) == (0, ORPHANED)


def test_one_too_many_to_know_of_is_not_counted_out_twice() -> None:
    register = InFlight(most_known=1)
    first, second = (register.enter(mint_lease_id(at), POLICY) for at in (1, 2))
    assert first is not None
    assert second is not None
    register.admit(first)
    assert register.lose(first)
    assert (len(register), [tenant.count for tenant in register.tenants()]) == (1, [1])


def test_at_capacity_no_life_begins() -> None:
    register = InFlight()
    register.bound = Bound(0)
    assert register.enter(mint_lease_id(1), POLICY) is None
    assert len(register) == 0


events = st.sampled_from(["admit", "refuse", "leave", "lose", "end", "expire"])


@given(st.lists(st.tuples(st.integers(0, 3), events), max_size=40))
def test_whatever_is_told_the_register_counts_what_is_in_flight(told: list[tuple[int, str]]) -> None:
    subjects = InFlight()
    lives: list[Life] = [life for at in range(1, 5) if (life := subjects.enter(mint_lease_id(at), POLICY))]
    for n, event in told:
        subject = Subject()
        subject.register, subject.life = subjects, lives[n]
        before = subject.life.state
        try:
            subject.tell(event)
        except Impossible:
            assert subject.life.state is before
        assert len(subjects) == sum(life.state in IN_FLIGHT for life in lives)
        assert sum(tenant.count for tenant in subjects.tenants()) == len(subjects)
