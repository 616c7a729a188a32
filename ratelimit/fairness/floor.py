"""Where requests run, up to a bound, and where the others wait.  Pure; `now` in seconds.

Each model that has a bound of its own has a pool of its own (pools.py).  One bound holds for all of them together.
When room comes free under it and several pools wait, each gets its part by the weights of those who wait in it.

A waiting request takes nothing but its place: budgets are charged when it is admitted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from ratelimit.fairness.pools import UNBOUNDED, Pool, Pools, Room
from ratelimit.fairness.queue import Ticket, Way
from ratelimit.fairness.tree import Demand

T = TypeVar("T")

MOST_RETRY_SECONDS = 60.0
SLACK = 64  # stale deadlines that are always tolerated
OTHER_ROOM = 0.25  # a change of the room by this part makes earlier measurements of pace worthless


@dataclass(frozen=True, slots=True)
class Terms:
    """An operator's bounds on waiting.  `queue_seconds` 0: nothing waits.  `most_queued` in all, and of one tenant."""

    queue_seconds: float = 30.0
    most_queued: int = 10_000
    most_queued_of_tenant: int = 1000


class Full(NamedTuple):
    """The request may neither run nor wait.  `why`: "queue_full", "tenant_queue_full", "too_long" (it would not be
    served in time) or "no_queue".  `retry_seconds`: when to try again, by the queue's own pace."""

    why: str
    retry_seconds: float


class Asked(NamedTuple, Generic[T]):
    """`ticket` runs, unless it `waits`.  `displaced`: a waiting request that has to make room for it, refused as `Full`
    says."""

    ticket: Ticket[T]
    waits: bool
    displaced: tuple[Ticket[T], Full] | None = None


class Floor(Generic[T]):
    """Not thread-safe.  Each request ends with `over` if it ran, else with `leave`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._most: float = UNBOUNDED
        self._paced_with: float = UNBOUNDED  # the room for which paces were measured
        self.running = self.waiting = 0
        self._pools: Pools[T] = Pools()
        self._of: dict[Ticket[T], Pool[T]] = {}
        self._deadlines: list[tuple[float, int, Ticket[T]]] = []  # a heap; some of them no longer wait
        self._numbers = count()

    @property
    def most(self) -> float:
        return self._most

    @most.setter
    def most(self, most: float) -> None:
        self._most, before = most, self._paced_with
        if most != before and (before in (0, UNBOUNDED) or abs(most - before) > OTHER_ROOM * before):
            self._paced_with = most
            for pool in self._pools.used:
                pool.pace = pool.pace.anew()

    def bound(self, rooms: Mapping[str, Room]) -> None:
        """Sets the models that have room of their own.  Requests of a model that had none, running or waiting, move to
        its pool."""
        new = self._pools.bound(rooms)
        if not new:
            return
        for ticket, pool in list(self._of.items()):
            if ticket.model in new and pool.model != ticket.model:
                self._move(ticket, pool, self._pools.of(ticket.model))

    def pool_of(self, model: str) -> Pool[T]:
        return self._pools.of(model)

    def demands(self) -> Iterator[tuple[str, Demand]]:
        """What each tenant has running and waiting, by the model of the pool."""
        for pool in self._pools.used:
            for demand in pool.queue.demands():
                yield pool.model, demand

    def begin(self, item: T, cost: int, way: Way, model: str) -> Ticket[T] | None:
        """Runs it if there is room and nobody waits for it; else None."""
        pool = self._pools.of(model)
        everything = pool.queue.all
        if everything.waiting or everything.running >= pool.room.most or self.running >= self._most:
            return None
        return self._run(item, cost, way, model, pool)

    def run(self, item: T, cost: int, way: Way, model: str) -> Ticket[T]:
        """Enters a request that already runs, whether there is room or not."""
        return self._run(item, cost, way, model, self._pools.of(model))

    def _run(self, item: T, cost: int, way: Way, model: str, pool: Pool[T]) -> Ticket[T]:
        ticket = pool.queue.run(item, cost, way)
        ticket.model = model
        self._of[ticket] = pool
        self.running += 1
        everything = pool.queue.all
        if everything.running == 1 or everything.waiting:
            self._pools.changed(pool)
        return ticket

    def ask(
        self, item: T, cost: int, way: Way, model: str, now: float, patience: float = UNBOUNDED
    ) -> "Asked[T] | Full":
        """Runs it if there is room and nobody waits for it; else it waits, if it can be served in time.  `patience`:
        the seconds after which its caller is gone."""
        ticket = self.begin(item, cost, way, model)
        if ticket is not None:
            return Asked(ticket, waits=False)
        pool = self.pool_of(model)
        queue_seconds = min(self._queue_seconds(pool), patience)
        full = self._full(pool, way, queue_seconds, pool.pace.seconds_for(*pool.queue.ahead_of(way), now))
        displaced = None
        if full is not None and full.why == "queue_full":
            displaced = self._displace(pool, way, full, now)
        if full is not None and displaced is None:
            return full
        if not len(pool.queue):
            pool.pace.begins(now)
        ticket = pool.queue.push(item, cost, way)
        ticket.model = model
        self._of[ticket] = pool
        self._pools.changed(pool)
        self.waiting += 1
        self._remind(ticket, now + queue_seconds)
        return Asked(ticket, True, displaced)

    def admit(self, now: float) -> Ticket[T] | None:
        """The next request that runs, if there is room for one."""
        if self.running >= self._most or not self.waiting:
            return None
        pool = self._pools.next()
        if pool is None:
            return None
        weight = pool.queue.waiting_weight
        ticket = pool.queue.next()
        self._pools.took(pool, weight, ticket)
        self.waiting -= 1
        self._of[ticket] = pool
        self.running += 1
        pool.pace.took(now, ticket.cost)
        if not len(pool.queue):
            pool.pace.ends(now)
        return ticket

    def charge(self, ticket: Ticket[T], service: int) -> None:
        """`service`: the total that a running request has had so far, in tokens of service."""
        self._of[ticket].queue.charge(ticket, service)

    def charge_elsewhere(self, way: Way, service: int) -> None:
        """`service` was had in another sidecar, from whatever model."""
        for pool in self._pools.used:
            pool.queue.charge_elsewhere(way, service)

    def over(self, ticket: Ticket[T], service: int | None = None) -> None:
        """A running request has ended.  `service`: what it has had in all; None: what has been charged."""
        pool = self._of.pop(ticket)
        pool.queue.end(ticket, service)
        self.running -= 1
        everything = pool.queue.all
        if everything.waiting or not everything.running:
            self._pools.changed(pool)

    def leave(self, ticket: Ticket[T], now: float) -> None:
        """A waiting request leaves."""
        pool = self._of.pop(ticket)
        pool.queue.remove(ticket)
        self.waiting -= 1
        self._pools.changed(pool)
        if not len(pool.queue):
            pool.pace.ends(now)

    def expired(self, now: float) -> list[tuple[Ticket[T], Full]]:
        """Removes the requests that have waited for as long as they may."""
        found = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ticket = heappop(self._deadlines)[2]
            if ticket.waits:
                wait = self._of[ticket].pace.seconds_for(ticket.cost, 1, now)
                self.leave(ticket, now)
                found.append((ticket, Full("too_long", _retry(wait))))
        return found

    def _queue_seconds(self, pool: Pool[T]) -> float:
        own = pool.room.queue_seconds
        return self.terms.queue_seconds if own is None else own

    def _full(self, pool: Pool[T], way: Way, queue_seconds: float, wait: float | None) -> Full | None:
        terms = self.terms
        if queue_seconds <= 0:
            return Full("no_queue", _retry(wait))
        if pool.queue.waiting_of(way[:2]) >= terms.most_queued_of_tenant:
            return Full("tenant_queue_full", _retry(wait))
        if wait is not None and wait > queue_seconds:
            return Full("too_long", _retry(wait - queue_seconds))
        if self.waiting >= terms.most_queued:
            return Full("queue_full", _retry(wait))
        return None

    def _displace(self, pool: Pool[T], way: Way, full: Full, now: float) -> tuple[Ticket[T], Full] | None:
        """Makes room for a request whose line is shorter than another's, if there is such a line."""
        if not len(pool.queue):
            pool = max(self._pools.used, key=lambda each: len(each.queue))
        ticket = pool.queue.last()
        if pool.queue.outweighs(ticket, way):
            self.leave(ticket, now)
            return ticket, full
        return None

    def _move(self, ticket: Ticket[T], old: Pool[T], new: Pool[T]) -> None:
        way = ticket.way
        if ticket.waits:
            old.queue.remove(ticket)
            new.queue.take_back(ticket, way)
        else:
            old.queue.end(ticket)
            new.queue.take_over(ticket, way)
        self._of[ticket] = new
        self._pools.changed(old)
        self._pools.changed(new)

    def _remind(self, ticket: Ticket[T], deadline: float) -> None:
        heappush(self._deadlines, (deadline, next(self._numbers), ticket))
        if len(self._deadlines) > 2 * self.waiting + SLACK:
            self._deadlines = [each for each in self._deadlines if each[2].waits]
            heapify(self._deadlines)


def _retry(wait: float | None) -> float:
    """In seconds: at least one, and bounded, because it is an estimate."""
    return min(MOST_RETRY_SECONDS, max(1.0, wait or 1.0))
