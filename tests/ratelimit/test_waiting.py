"""The register lets in who waits: by their shares, as room comes free, and tells each caller once."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.fairness.floor import Full, Terms
from ratelimit.fairness.pools import Room
from ratelimit.in_flight import InFlight
from ratelimit.journal import Entry
from ratelimit.life import ASKED, QUEUED, Life, Load, State
from ratelimit.scheduler import Bound, Scheduler
from tenancy.values.lease_id import mint_lease_id
from tenancy.values.policy import Policy

LARGE, SMALL = Policy("large", "k", weight=500), Policy("small", "k", weight=50)


@dataclass
class Asker:
    """Who asks, and what it was told."""

    life: Life
    told: list[str] = field(default_factory=list)

    def turn(self) -> None:
        self.told.append("turn")

    def give_up(self, full: Full) -> None:
        self.told.append(full.why)


class Register(InFlight):
    """With a clock of its own."""

    def __init__(self, most: int = 1, **terms: float) -> None:
        self.now = 0.0
        super().__init__(scheduler=Scheduler(Terms(**{"queue_seconds": 30.0, **terms}), clock=lambda: self.now))  # type: ignore[arg-type]
        self.bound = Bound(most)
        self.count = 0

    def ask(self, policy: Policy = LARGE, load: Load = Load(service=100), patience: float = 1e9) -> Asker:  # noqa: B008
        self.count += 1
        lease_id = mint_lease_id(self.count)
        life = self.enter(lease_id, policy, self.count, load)
        if life is not None:
            return Asker(life, ["turn"])
        asker = Asker(Life(lease_id, policy, self.count, load))
        full = self.queue(asker.life, asker, patience)
        if full is not None:
            asker.told.append(full.why)
        return asker


def test_who_waits_has_its_turn_when_another_is_over() -> None:
    register = Register()
    first, second = register.ask(), register.ask()
    assert (len(register), register.waiting, second.told, second.life.state) == (1, 1, [], QUEUED)
    register.end(first.life.lease_id, 50)
    assert (len(register), register.waiting, second.told, second.life.state) == (1, 0, ["turn"], ASKED)
    assert second.life.queued_ms > 0
    assert register.knows(second.life.lease_id)


@pytest.mark.parametrize("how", ["refuse", "lose", "leave", "expire", "end_undecided"])
def test_whatever_takes_a_request_out_of_flight_makes_room(how: str) -> None:
    register = Register()
    first, second = register.ask(), register.ask()
    if how == "lose":
        register.admit(first.life)
    if how == "expire":
        register.expire(register.older_than(2))
    elif how == "end_undecided":
        register.end_undecided([first.life.lease_id])
    else:
        getattr(register, how)(first.life)
    assert second.told == ["turn"]


def test_more_room_lets_in_as_many_and_less_room_stops_nobody() -> None:
    register = Register()
    askers = [register.ask() for _ in range(4)]
    register.bound = Bound(3)
    assert [len(each.told) for each in askers] == [1, 1, 1, 0]
    register.bound = Bound(1)
    assert (len(register), register.waiting) == (3, 1)
    for asker in askers[:2]:
        register.end(asker.life.lease_id, 1)
    assert askers[3].told == []
    register.end(askers[2].life.lease_id, 1)
    assert askers[3].told == ["turn"]


def test_a_caller_who_goes_leaves_the_queue_and_holds_nothing() -> None:
    register = Register()
    first, second, third = (register.ask() for _ in range(3))
    assert not register.leave(second.life)  # nothing to give back
    assert (register.waiting, register.knows(second.life.lease_id)) == (1, False)
    register.end(first.life.lease_id, 1)
    assert (second.told, third.told) == ([], ["turn"])


def test_a_log_entry_ends_what_waits() -> None:
    register = Register()
    register.ask()
    second = register.ask()
    register.end(second.life.lease_id, 0)
    assert (register.waiting, second.life.state, second.told) == (0, State.OVER, [])


def test_what_waits_too_long_is_told_so_and_counted() -> None:
    register = Register()
    register.ask()
    second, third = register.ask(), register.ask(patience=10.0)
    register.now = 10.0
    register.give_up_late()
    assert (second.told, third.told) == ([], ["too_long"])
    register.now = 30.0
    register.give_up_late()
    assert (second.told, register.waiting, register.refused, register.tenants()[0].queued) == (["too_long"], 0, 2, 0)


def test_without_a_queue_it_is_refused_at_once() -> None:
    register = Register(queue_seconds=0.0)
    register.ask()
    assert (register.ask().told, register.refused, register.waiting) == (["no_queue"], 1, 0)


def test_a_full_queue_lets_go_of_those_furthest_above_their_share() -> None:
    register = Register(most_queued=2)
    register.ask(LARGE)
    first, second = register.ask(SMALL), register.ask(SMALL)
    assert register.ask(LARGE).told == []
    assert (first.told, second.told, register.waiting, register.refused) == ([], ["queue_full"], 2, 1)


def test_what_is_withdrawn_waits_no_more_and_what_runs_cannot_be() -> None:
    register = Register()
    first, second = register.ask(), register.ask()
    assert register.withdraw(second.life)
    assert not register.withdraw(second.life)
    assert not register.withdraw(first.life)
    register.end(first.life.lease_id, 1)
    assert (second.told, len(register)) == ([], 0)


def test_shares_are_of_tokens_of_service_however_long_each_answer_is() -> None:
    """Weights 500 and 50, answers ten times as long in the smaller share: it gets a tenth of the tokens."""
    register = Register(2)
    waiting: list[Asker] = []
    served = {"large": 0, "small": 0}
    for _ in range(600):
        for policy in (LARGE, SMALL):
            waiting += [register.ask(policy) for _ in range(3)]
            register.now += 0.001
        for asker in [each for each in waiting if each.told == ["turn"]]:
            tenant_id = asker.life.policy.tenant_id
            service = 1000 if tenant_id == "small" else 100
            served[tenant_id] += service
            asker.told.append("over")
            register.end(asker.life.lease_id, service)
    assert served["large"] / served["small"] == pytest.approx(10, rel=0.05)


def test_groups_share_before_their_tenants() -> None:
    register = Register(1)
    register.sharing.agree({}, {"paid": 300, "free": 100})
    policies = [
        Policy("a", "k", fairshare_group="paid"),
        *(Policy(f"f{n}", "k", fairshare_group="free") for n in range(9)),
    ]
    running = [register.ask(policies[0])]
    waiting = [register.ask(policy) for _ in range(80) for policy in policies]
    turns = []
    for _ in range(80):
        register.end(running.pop().life.lease_id, 100)
        (asker,) = [each for each in waiting if each.told == ["turn"]]
        asker.told.append("over")
        running.append(asker)
        turns.append(asker.life.policy.fairshare_group)
    assert turns.count("paid") == pytest.approx(60, abs=2)


def test_a_slow_model_does_not_hold_up_a_fast_one() -> None:
    register = Register(100)
    register.sharing.agree({"slow": Room(1)}, {})
    register.ask(load=Load("slow", 100))
    slow, fast = register.ask(load=Load("slow", 100)), register.ask(load=Load("fast", 100))
    assert (slow.told, fast.told, register.bound_now()) == ([], ["turn"], "model:in_flight")


def test_what_ran_before_its_model_had_room_of_its_own_counts_there() -> None:
    """Also what another process had begun, and what waits already."""
    register, before = Register(most=3), mint_lease_id(1)
    register.inherit([Entry(before, "before", "default", answered=True, model="slow")])
    running, _ = register.ask(load=Load("slow", 1)), register.ask(load=Load("fast", 1))
    waiting = register.ask(load=Load("slow", 1))
    register.sharing.agree({"slow": Room(2)}, {})
    register.bound = Bound(9)
    assert waiting.told == []
    assert register.ask(load=Load("fast", 1)).told == ["turn"]
    register.end(before)
    assert waiting.told == ["turn"]
    assert register.ask(load=Load("slow", 1)).told == []
    register.sharing.agree({}, {})
    register.end(running.life.lease_id)
    assert (len(register), register.waiting) == (4, 0)


def test_a_long_answer_is_charged_as_it_runs() -> None:
    register = Register(2)
    long, other = register.ask(LARGE), register.ask(SMALL)
    first, second = register.ask(LARGE), register.ask(Policy("third", "k", weight=500))
    register.sharing.charge([(long.life, 100_000), (other.life, 1)])
    register.end(other.life.lease_id, 100)
    assert (first.told, second.told) == ([], ["turn"])
    assert register.sharing.take_served() == {
        ("default", "large"): 100_000,
        ("default", "small"): 100,
        ("default", "third"): 100,
    }


def test_what_was_served_elsewhere_counts_here() -> None:
    register = Register(1)
    runs = register.ask(LARGE)
    first, second = register.ask(LARGE), register.ask(Policy("third", "k", weight=500))
    register.sharing.served_elsewhere({("default", "large"): 100_000, ("default", "unknown"): 1})
    register.end(runs.life.lease_id, 100)
    assert (first.told, second.told) == ([], ["turn"])


def test_one_caller_who_cannot_be_told_is_not_the_next_ones_trouble() -> None:
    register = Register(1)
    runs, second, third = register.ask(), register.ask(), register.ask()
    second.turn = lambda: 1 // 0  # type: ignore[method-assign, assignment]
    register.end(runs.life.lease_id, 1)
    register.end(second.life.lease_id, 1)
    assert third.told == ["turn"]


def test_many_who_are_refused_at_their_turn_do_not_call_each_other() -> None:
    register = Register(1)
    runs = register.ask()
    waiting = [register.ask() for _ in range(1000)]
    for each in waiting:
        each.turn = lambda life=each.life: register.refuse(life)  # type: ignore[method-assign, misc]
    register.end(runs.life.lease_id, 1)
    assert (register.waiting, len(register)) == (0, 0)


events = st.sampled_from(["ask", "end", "leave", "refuse", "more", "less", "time"])


@given(st.lists(st.tuples(events, st.integers(0, 30)), max_size=60))
def test_whatever_happens_there_is_order(told: list[tuple[str, int]]) -> None:
    """No more run than there is room for, nobody waits beside free room, and nobody is told twice."""
    register, askers, most = Register(2, queue_seconds=20.0), list[Asker](), 2
    for event, number in told:
        before = len(register)
        if event == "ask":
            askers.append(register.ask(LARGE if number % 2 else SMALL, Load(f"m{number % 3}", number + 1)))
        elif event in ("more", "less"):
            most = number % 5
            register.bound = Bound(most)
        elif event == "time":
            register.now += number
            register.give_up_late()
        elif askers:
            life = askers[number % len(askers)].life
            if event == "end":
                register.end(life.lease_id, number)
            elif life.state in (ASKED, QUEUED):
                getattr(register, event)(life)
        assert len(register) <= max(most, before)
        assert not register.waiting or len(register) >= most
        assert all(len(each.told) <= 1 for each in askers)
        assert sum(tenant.count for tenant in register.tenants()) == len(register)
        assert sum(tenant.queued for tenant in register.tenants()) == register.waiting
