"""Where requests run, as many at once as there is room for, and where the others wait.  Pure; `now` in seconds.

Each model that has a bound of its own has a pool of its own, so that a slow model does not hold up a fast one; all
others share one.  One bound holds for all of them together.  When room comes free under it and several pools wait, each
gets its part by the weights of those who wait in it.

A request that waits takes nothing but its place: what it holds of budgets is taken when it is admitted.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from ratelimit.fairness.pace import Pace
from ratelimit.fairness.queue import FairQueue, Ticket, Way

T = TypeVar("T")

UNBOUNDED = float("inf")
SHARED = ""  # the pool of the models without a bound of their own
MOST_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator says of waiting.  `queue_seconds` 0: nothing waits.  `most_queued` in all, and of one tenant."""

    queue_seconds: float = 30.0
    most_queued: int = 10_000
    most_queued_of_tenant: int = 1000


class Full(NamedTuple):
    """It may neither run nor wait.  `why`: "queue_full", "tenant_queue_full", "too_long" (it would not be served in
    time) or "no_queue".  `retry_seconds`: when it is worth trying again, by the queue's own pace."""

    why: str
    retry_seconds: float


class Asked(NamedTuple, Generic[T]):
    """`ticket` runs, unless it `waits`.  `displaced`: one that has to go for it, refused as `Full` says."""

    ticket: Ticket[T]
    waits: bool
    displaced: tuple[Ticket[T], Full] | None = None


class Pool(Generic[T]):
    """`most` at once; `tag` as in tree.py, among pools."""

    def __init__(self) -> None:
        self.most: float = UNBOUNDED
        self.queue: FairQueue[T] = FairQueue()
        self.pace = Pace()
        self.arrivals: OrderedDict[Ticket[T], float] = OrderedDict()  # what waits, and since when
        self.tag = 0.0

    @property
    def has_room(self) -> bool:
        return self.queue.running < self.most


class Floor(Generic[T]):
    """Not for several threads at once.  Each request that was asked for ends by `over` if it ran, else by `leave`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.most: float = UNBOUNDED
        self.running = self.waiting = 0
        self._virtual = 0.0  # as in tree.py: the tag of the pool that was served last
        self._pools: dict[str, Pool[T]] = {SHARED: Pool()}
        self._of: dict[Ticket[T], Pool[T]] = {}

    def bound(self, most_by_model: dict[str, int]) -> None:
        """The models that have a bound of their own.  One that has it no longer keeps its pool until that is empty."""
        for model, pool in list(self._pools.items()):
            pool.most = most_by_model.get(model, UNBOUNDED) if model else UNBOUNDED
            if model and model not in most_by_model and not pool.queue.running and not len(pool.queue):
                del self._pools[model]
        for model, most in most_by_model.items():
            self._pools.setdefault(model, Pool()).most = most

    def pool_of(self, model: str) -> Pool[T]:
        return self._pools.get(model) or self._pools[SHARED]

    def ask(self, item: T, cost: int, way: Way, model: str, now: float) -> "Asked[T] | Full":
        """It runs if there is room and nobody waits for it; else it waits, if that makes sense."""
        pool = self.pool_of(model)
        if not len(pool.queue) and pool.has_room and self.running < self.most:
            ticket = pool.queue.run(item, cost, way)
            self._begins(ticket, pool)
            return Asked(ticket, waits=False)
        wait = pool.pace.seconds_for(pool.queue.ahead_of(way), now)
        full = self._full(pool, way, wait)
        displaced = None
        if full is not None and full.why == "queue_full":
            displaced = self._displace(pool, way, full)
        if full is not None and displaced is None:
            return full
        if not len(pool.queue):
            pool.pace.begins(now)
        ticket = pool.queue.push(item, cost, way)
        pool.arrivals[ticket] = now
        self._of[ticket] = pool
        self.waiting += 1
        return Asked(ticket, True, displaced)

    def admit(self, now: float) -> Ticket[T] | None:
        """The next that runs, if there is room for one."""
        if self.running >= self.most or not self.waiting:
            return None
        pool = None
        for each in self._pools.values():
            if each.arrivals and each.has_room and (pool is None or each.tag < pool.tag):
                pool = each
        if pool is None:
            return None
        # Neither having been idle is a credit, nor being new.
        self._virtual = max(self._virtual, pool.tag)
        weight = pool.queue.waiting_weight
        ticket = pool.queue.next()
        pool.tag = self._virtual + ticket.cost / weight
        self._waits_no_more(ticket, pool)
        self._begins(ticket, pool)
        pool.pace.took(now, ticket.cost)
        if not len(pool.queue):
            pool.pace.ends()
        return ticket

    def charge(self, ticket: Ticket[T], service: int) -> None:
        """What a running request has had so far, all in all, in tokens of service."""
        self._of[ticket].queue.charge(ticket, service)

    def over(self, ticket: Ticket[T]) -> None:
        """A running request is over."""
        self._of.pop(ticket).queue.end(ticket)
        self.running -= 1

    def leave(self, ticket: Ticket[T]) -> None:
        """A waiting request goes."""
        pool = self._of.pop(ticket)
        pool.queue.remove(ticket)
        self._waits_no_more(ticket, pool)
        if not len(pool.queue):
            pool.pace.ends()

    def expired(self, now: float) -> list[tuple[Ticket[T], Full]]:
        """Takes out what has waited for as long as it may."""
        found = []
        for pool in self._pools.values():
            while pool.arrivals:
                ticket, since = next(iter(pool.arrivals.items()))
                if now - since < self.terms.queue_seconds:
                    break
                self.leave(ticket)
                found.append((ticket, Full("too_long", _retry(pool.pace.seconds_for(ticket.cost, now)))))
        return found

    def next_expiry(self) -> float | None:
        """When the first has waited for as long as it may."""
        begun = [next(iter(pool.arrivals.values())) for pool in self._pools.values() if pool.arrivals]
        return min(begun) + self.terms.queue_seconds if begun else None

    def _full(self, pool: Pool[T], way: Way, wait: float | None) -> Full | None:
        terms = self.terms
        if not terms.queue_seconds:
            return Full("no_queue", _retry(wait))
        if pool.queue.waiting_of(way[:2]) >= terms.most_queued_of_tenant:
            return Full("tenant_queue_full", _retry(wait))
        if wait is not None and wait > terms.queue_seconds:
            return Full("too_long", _retry(wait - terms.queue_seconds))
        if self.waiting >= terms.most_queued:
            return Full("queue_full", _retry(wait))
        return None

    def _displace(self, pool: Pool[T], way: Way, full: Full) -> tuple[Ticket[T], Full] | None:
        """Makes place for one whose line is shorter than another's, if there is such a line."""
        if not len(pool.queue):
            pool = max(self._pools.values(), key=lambda each: len(each.queue))
        ticket = pool.queue.last()
        if pool.queue.outweighs(ticket, way):
            self.leave(ticket)
            return ticket, full
        return None

    def _begins(self, ticket: Ticket[T], pool: Pool[T]) -> None:
        self._of[ticket] = pool
        self.running += 1

    def _waits_no_more(self, ticket: Ticket[T], pool: Pool[T]) -> None:
        pool.arrivals.pop(ticket)
        self.waiting -= 1


def _retry(wait: float | None) -> float:
    """At least a second, and no longer than a client should be sent away for on an estimate."""
    return min(MOST_RETRY_SECONDS, max(1.0, wait or 1.0))
