"""What the scheduler promises of any sequence of steps: conservation, work conservation, the bounds on unfairness that
the papers prove, no starvation, and the same again each time."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ratelimit.fairness.floor import Asked, Floor, Terms
from ratelimit.fairness.pools import Room
from ratelimit.fairness.queue import FairQueue, Share, Ticket

MOST = 1000  # tokens of service of one request
COSTS = st.integers(1, MOST)
WEIGHTS = st.integers(1, 500)
MODELS = "xyz"  # x has a bound of its own


class Step(NamedTuple):
    """`who`: one of three tenants in one of two groups, whose weights may be others each time.  `cost`: tokens, or
    which one of those that there are."""

    kind: str
    who: int
    cost: int

    @property
    def way(self) -> tuple[Share, Share]:
        group, tenant = divmod(self.who, 3)
        return ("gh"[group], 100 + self.cost % 7), ("abc"[tenant], 50 + self.cost % 300)

    @property
    def names(self) -> str:
        return "".join(name for name, _ in self.way)

    def one_of(self, tickets: Sequence[Ticket[int]]) -> Ticket[int]:
        return tickets[self.cost % len(tickets)]


def steps(*kinds: str, most: int = 50) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.builds(Step, st.sampled_from(kinds), st.integers(0, 5), COSTS), max_size=most)


@settings(max_examples=60)
@given(steps("push", "push", "run", "next", "end", "end", "remove", "charge", "shed", "elsewhere"))
def test_any_sequence_keeps_account(taken: list[Step]) -> None:
    """Conservation: what waits runs once, first come first served within its line; as long as anything waits there is
    a next one; who has to go is the newest of those with most waiting for their weight; and nothing is remembered once
    all is over."""
    queue: FairQueue[int] = FairQueue()
    lines: dict[Ticket[int], str] = {}
    weights: dict[str, int] = {}
    waiting, running = list[Ticket[int]](), list[Ticket[int]]()

    def take_next() -> None:
        ticket = queue.next()
        assert ticket is next(each for each in waiting if lines[each] == lines[ticket])
        waiting.remove(ticket)
        running.append(ticket)

    for number, step in enumerate(taken):
        if step.kind == "push" or (step.kind == "run" and not waiting):
            weights |= {step.names[:depth]: weight for depth, (_, weight) in enumerate(step.way, 1)}
        match step.kind:
            case "push":
                waiting.append(queue.push(number, step.cost, step.way))
                lines[waiting[-1]] = step.names
            case "run" if not waiting:
                running.append(queue.run(number, step.cost, step.way))
            case "next" if waiting:
                take_next()
            case "end" if running:
                running.remove(ticket := step.one_of(running))
                queue.end(ticket)
            case "remove" if waiting:
                waiting.remove(ticket := step.one_of(waiting))
                queue.remove(ticket)
            case "charge" if running:
                queue.charge(step.one_of(running), step.cost)
            case "shed" if waiting:
                line = lines[ticket := queue.last()]
                assert ticket is [each for each in waiting if lines[each] == line][-1]
                has_most_waiting(line, [lines[each] for each in waiting], weights)
                waiting.remove(ticket)
                queue.remove(ticket)
            case "elsewhere":
                queue.charge_elsewhere(step.way, step.cost)
        assert (len(queue), queue.running) == (len(waiting), len(running))
        assert queue.backlog == sum(ticket.cost for ticket in waiting)
        assert queue.waiting_of(step.way) == sum(lines[ticket] == step.names for ticket in waiting)
    while waiting:
        take_next()
    for ticket in running:
        queue.end(ticket)
    assert (len(queue), queue.remembered(), queue.entries()) == (0, 0, 0)


def has_most_waiting(line: str, waiting: Sequence[str], weights: dict[str, int]) -> None:
    """For its weight: its group among the groups, and the tenant within the group."""
    for among, depth in (("", 1), (line[:1], 2)):
        lengths = Counter(each[:depth] for each in waiting if each.startswith(among))
        most = max(length / weights[name] for name, length in lengths.items())
        assert lengths[line[:depth]] / weights[line[:depth]] == most


@settings(max_examples=60)
@given(steps("ask", "ask", "ask", "over", "over", "leave", "expire", "most"))
def test_room_is_never_passed_and_never_left_empty_while_somebody_waits(taken: list[Step]) -> None:
    """Work conservation, with a bound on all, on a model, on the queue and on each tenant's part of it."""
    floor: Floor[int] = Floor(Terms(queue_seconds=20, most_queued=8, most_queued_of_tenant=5))
    floor.bound({"x": Room(1)})
    floor.most = 3
    waiting, running = list[Ticket[int]](), list[Ticket[int]]()
    for number, step in enumerate(taken):
        now = number * 1.5
        match step.kind:
            case "ask":
                asked = floor.ask(number, step.cost, step.way, MODELS[step.cost % 3], now)
                if isinstance(asked, Asked):
                    (waiting if asked.waits else running).append(asked.ticket)
                    if asked.displaced:
                        waiting.remove(asked.displaced[0])
            case "over" if running:
                running.remove(ticket := step.one_of(running))
                floor.charge(ticket, step.cost)
                floor.over(ticket)
            case "leave" if waiting:
                waiting.remove(ticket := step.one_of(waiting))
                floor.leave(ticket, now)
            case "expire":
                for ticket, _ in floor.expired(now):
                    waiting.remove(ticket)
            case "most":
                floor.most = step.who
        before = floor.running
        while (admitted := floor.admit(now)) is not None:
            waiting.remove(admitted)
            running.append(admitted)
        assert floor.running == len(running) <= max(floor.most, before)
        assert floor.waiting == len(waiting)
        if floor.running < floor.most:
            assert not len(floor.pool_of("y").queue)
            assert not floor.pool_of("x").is_ready


class Contended:
    """Tenants `a` and `b` of one group and `o` of another always wait; what each tenant and group has had."""

    def __init__(self, weights: Sequence[int], costs: Sequence[int]) -> None:
        of_a, of_b, of_group, of_other = weights
        self.weights = {"a": of_a, "b": of_b, "group": of_group, "other": of_other}
        self.ways = {name: (("group", of_group), (name, self.weights[name])) for name in "ab"}
        self.ways["o"] = ("other", of_other), ("o", 1)
        self.queue: FairQueue[str] = FairQueue()
        self.had: Counter[str] = Counter()
        self.gaps = {("a", "b"): [0.0], ("group", "other"): [0.0]}
        self._costs, self._pushed = costs, 0
        for name in ("a", "b", "o", "a", "b", "o"):
            self.push(name)

    def push(self, name: str) -> None:
        self._pushed += 1
        self.queue.push(name, self._costs[self._pushed % len(self._costs)], self.ways[name])

    def next(self) -> Ticket[str]:
        ticket = self.queue.next()
        self.push(ticket.item)
        self.count(ticket, ticket.cost)
        return ticket

    def charge(self, ticket: Ticket[str], service: int) -> None:
        before = ticket.charged
        self.queue.charge(ticket, service)
        self.count(ticket, service - before)

    def count(self, ticket: Ticket[str], service: int) -> None:
        self.had[ticket.item] += service
        self.had["other" if ticket.item == "o" else "group"] += service
        for (one, two), gaps in self.gaps.items():
            gaps.append(self.had[one] / self.weights[one] - self.had[two] / self.weights[two])

    def widest(self, one: str, two: str) -> float:
        """By how much what they had for their weights has differed, over any stretch of time."""
        return max(self.gaps[one, two]) - min(self.gaps[one, two])


@settings(max_examples=60)
@given(st.lists(WEIGHTS, min_size=4, max_size=4), st.lists(COSTS, min_size=1, max_size=12), st.integers(0, 7))
def test_those_who_wait_all_the_time_differ_by_a_request_of_each(
    weights: list[int], costs: list[int], others: int
) -> None:
    """Start-time Fair Queuing (Goyal, Vin and Cheng, SIGCOMM 1996), theorem 1: between two flows f and m that are
    backlogged throughout an interval, the services W that they get in it, divided by their weights r, differ by
    |W_f / r_f - W_m / r_m| <= l_f / r_f + l_m / r_m, where l is the longest request of each.

    For tenants within a group and for groups, while a third tenant and a third group come and go."""
    contended = Contended(weights, costs)
    contended.ways["c"] = ("group", weights[2]), ("c", 77)
    contended.ways["z"] = ("third", 33), ("z", 1)
    queue = contended.queue
    for number in range(80):
        if others & 1 and number % 9 == 0:
            queue.push("c", 10 * number + 1, contended.ways["c"])
        if others & 2 and number % 7 == 0:
            queue.push("z", 10 * number + 1, contended.ways["z"])
        ticket = queue.next()
        if ticket.item in ("c", "z"):
            contended.had["group"] += ticket.cost if ticket.item == "c" else 0
        else:
            contended.push(ticket.item)
            contended.count(ticket, ticket.cost)
        if others & 4 or number % 2:
            queue.end(ticket)
    most, most_of_group = max(costs), max(*costs, 800 if others & 1 else 0)
    assert contended.widest("a", "b") <= most / weights[0] + most / weights[1] + 1e-6
    assert contended.widest("group", "other") <= most_of_group / weights[2] + most / weights[3] + 1e-6


@settings(max_examples=60)
@given(
    st.lists(WEIGHTS, min_size=4, max_size=4),
    st.lists(COSTS, min_size=1, max_size=12),
    st.lists(COSTS, min_size=1, max_size=12),
    st.integers(1, 6),
)
def test_wrong_estimates_cost_no_more_than_what_fits_into_the_server(
    weights: list[int], estimates: list[int], really: list[int], slots: int
) -> None:
    """Virtual Token Counter (Sheng and others, OSDI 2024), where the length of an answer is known only at its end: two
    clients that are backlogged throughout an interval get services that differ by at most 2 max(w_p L, w_q M), where L
    is the longest prompt and M the number of tokens that fit into the server at once.

    M is here what runs, `slots` times the largest request, and one more is chosen before its end is known: so
    |W_f / r_f - W_m / r_m| <= 2 (slots + 1) l / min(r).  What runs is charged at a third, and at its end."""
    contended = Contended(weights, estimates)
    running: list[Ticket[str]] = []
    for number in range(80):
        if len(running) == slots:
            ticket = running.pop(number * 7 % slots)
            contended.charge(ticket, really[number % len(really)])
            contended.queue.end(ticket)
        running.append(contended.next())
        contended.charge(running[number * 5 % len(running)], 1 + really[number % len(really)] // 3)
    bound = 2 * (slots + 1) * max(*estimates, *really)
    assert contended.widest("a", "b") <= bound / min(weights[:2]) + 1e-6
    assert contended.widest("group", "other") <= bound / min(weights[2:]) + 1e-6


@settings(max_examples=60)
@given(st.lists(st.tuples(WEIGHTS, COSTS), min_size=1, max_size=12), WEIGHTS, COSTS, st.integers(0, 60), st.booleans())
def test_who_comes_waits_for_at_most_one_request_of_each_other(
    others: list[tuple[int, int]], weight: int, cost: int, before: int, is_group: bool
) -> None:
    """No starvation.  The delay bound of Start-time Fair Queuing: the first request of a flow that comes waits for at
    most one request of each other flow, however much they have waiting.  Among tenants of a group, and among groups."""

    def way(name: str, weight: int) -> tuple[Share, Share]:
        return ((name, weight), ("t", 1)) if is_group else (("g", 1), (name, weight))

    queue: FairQueue[str] = FairQueue()
    for number, (its, length) in enumerate(others):
        for _ in range(before + 3):
            queue.push(str(number), length, way(str(number), its))
    for _ in range(before):
        queue.end(queue.next())
    queue.push("new", cost, way("new", weight))
    ahead: Counter[str] = Counter()
    while (ticket := queue.next()).item != "new":
        ahead[ticket.item] += 1
    assert set(ahead.values()) <= {1}


@settings(max_examples=30)
@given(steps("push", "push", "next", "end", "charge", "elsewhere"))
def test_the_same_steps_give_the_same_order(taken: list[Step]) -> None:
    """Determinism: also with another queue at work beside it."""
    queues = FairQueue[int](), FairQueue[int]()
    running: tuple[list[Ticket[int]], list[Ticket[int]]] = [], []
    for number, step in enumerate(taken):
        for queue, own in zip(queues, running, strict=True):
            match step.kind:
                case "push":
                    queue.push(number, step.cost, step.way)
                case "next" if len(queue):
                    own.append(queue.next())
                case "end" if own:
                    own.remove(ticket := step.one_of(own))
                    queue.end(ticket)
                case "charge" if own:
                    queue.charge(step.one_of(own), step.cost)
                case "elsewhere":
                    queue.charge_elsewhere(step.way, step.cost)
    one, two = ([queue.next().item for _ in range(len(queue))] for queue in queues)
    assert one == two
    assert [ticket.item for ticket in running[0]] == [ticket.item for ticket in running[1]]
