"""Who runs next: what a decision costs with 100,000 requests in the queue, in this process, without a server."""

import gc
import sys
import time
from collections.abc import Sequence

from bench import rounds
from bench.figures import Figure, Measure, Report
from ratelimit.fairness.floor import Asked, Floor, Terms
from ratelimit.fairness.pools import Room
from ratelimit.fairness.queue import Ticket, Way

TITLE = "Fair admission"
TENANTS, GROUPS, RUNNING = 10_000, 50, 1_000
AT_ONCE, BLOCKS = 500, 20  # decisions that are timed together; how often, in each round
MOST_MICROSECONDS = 20.0
STEPS = ("take one in", "admit the next", "end one")

WAYS: list[Way] = [((f"group-{n % GROUPS}", 100), (f"tenant-{n}", 1 + n % 500)) for n in range(TENANTS)]


def run(plan: rounds.Plan) -> Report:
    queued = 100_000 if plan.rounds > 2 else 10_000
    who = f"{queued:,} requests of {TENANTS:,} tenants in {GROUPS} groups wait"
    how = f"{who}, {RUNNING:,} run; µs of CPU in the quietest of {BLOCKS} blocks of {AT_ONCE}."
    report = Report(TITLE, how)
    _measure(report, plan, "nobody waits", _Loaded(0, 1))
    loaded = _Loaded(queued, 1)
    _measure(report, plan, "one queue", loaded, MOST_MICROSECONDS)
    _tick(report, loaded)
    _measure(report, plan, "500 models with a queue each", _Loaded(queued, 500))
    return report


class _Loaded:
    """A floor with RUNNING that run, and that many that wait."""

    def __init__(self, queued: int, models: int) -> None:
        self.floor: Floor[int] = Floor(Terms(queue_seconds=1e9, most_queued=10**9))
        self.floor.bound({f"model-{n}": Room(10**9) for n in range(models)})
        self.floor.most = RUNNING
        self.queued, self.models, self.number = queued, models, 0
        self.running: list[Ticket[int]] = []
        for _ in range(RUNNING + queued):
            self.take_in()

    def take_in(self) -> None:
        self.number += 1
        # 7919 has no factor in common with the number of tenants, so that each has its turn.
        way, model = WAYS[self.number * 7919 % TENANTS], f"model-{self.number % self.models}"
        asked = self.floor.ask(self.number, 100 + self.number % 1_000, way, model, self.number * 1e-3)
        assert isinstance(asked, Asked)
        if not asked.waits:
            self.running.append(asked.ticket)

    def admit(self) -> None:
        if (ticket := self.floor.admit(self.number * 1e-3)) is not None:
            self.running.append(ticket)

    def end(self) -> None:
        """One that was not as long as had been estimated."""
        ticket = self.running.pop(0)
        self.floor.charge(ticket, 50 + ticket.item * 37 % 2_000)
        self.floor.over(ticket)

    def block(self) -> tuple[float, float, float]:
        """µs of each of STEPS."""
        found = {}
        for name, step in (("end", self.end), ("admit", self.admit), ("take_in", self.take_in)):
            began = time.thread_time()
            for _ in range(AT_ONCE):
                step()
            found[name] = (time.thread_time() - began) / AT_ONCE * 1e6
        return found["take_in"], found["admit"], found["end"]


def _measure(report: Report, plan: rounds.Plan, name: str, loaded: _Loaded, target: float | None = None) -> None:
    gc.collect()
    gc.freeze()  # as serving/pauses.py does
    took = [_least([loaded.block() for _ in range(BLOCKS)]) for _ in range(plan.rounds)]
    gc.unfreeze()
    report.check(f"{name}: what runs and waits", (loaded.floor.running, loaded.floor.waiting), (RUNNING, loaded.queued))
    for number, step in enumerate(STEPS):
        is_admission = number == 1
        if is_admission and not loaded.queued:
            continue  # there is nothing to admit
        figure, most = Figure.of([each[number] for each in took]), target if is_admission else None
        report.measures.append(Measure(f"{name}: {step}", figure, most, at_most=most is not None))


def _least(blocks: Sequence[Sequence[float]]) -> list[float]:
    """What others do to the caches of a busy machine costs CPU too, up to three times as much as the decision."""
    return [min(each) for each in zip(*blocks, strict=True)]


def _tick(report: Report, loaded: _Loaded) -> None:
    """What happens many times a second while nothing changes: is there room, has anything waited for too long?"""
    floor, times = loaded.floor, range(10_000)
    took, before = [0.0, 0.0, 0.0], 0
    gc.disable()
    for number in range(3):  # the first sets up what the others find
        before = sys.getallocatedblocks()
        began = time.thread_time()
        for _ in times:
            floor.admit(0.0)
            floor.expired(0.0)
        took[number] = (time.thread_time() - began) / len(times) * 1e6
    gained = sys.getallocatedblocks() - before
    gc.enable()
    if gained > 10:  # not one in a thousand ticks
        report.wrong.append(f"{len(times):,} ticks leave {gained} blocks of memory behind")
    report.measures.append(Measure("one queue: a tick in which nothing changes", Figure.of(took)))
