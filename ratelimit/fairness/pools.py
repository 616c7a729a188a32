"""The pools: each model that has a bound of its own has one, so that a slow model does not hold up a fast one; all
others share one.  Decides which pool is served next.  Pure.

Like the children of a node (tree.py), pools have tags: the lowest is next, among those with something waiting and room
for it.  Only such pools are listed, so that a decision does not depend on the number of models.
"""

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Generic, NamedTuple, TypeVar

from ratelimit.fairness.pace import Pace
from ratelimit.fairness.queue import FairQueue, Ticket

T = TypeVar("T")

UNBOUNDED = float("inf")
SHARED = ""  # the pool of the models without a bound of their own


class Room(NamedTuple):
    """A model's own bounds: at most `most` requests at once, each waiting for `queue_seconds` at most; None: no bound
    of its own."""

    most: float = UNBOUNDED
    queue_seconds: float | None = None


class Pool(Generic[T]):
    """The room of one model, or of all models without a bound of their own."""

    def __init__(self, model: str) -> None:
        self.model, self.room = model, Room()
        self.queue: FairQueue[T] = FairQueue()
        self.pace = Pace()
        self.tag = 0.0
        self.listed = False  # whether it is among those that may be served next

    @property
    def is_ready(self) -> bool:
        everything = self.queue.all
        return everything.waiting > 0 and everything.running < self.room.most

    @property
    def is_empty(self) -> bool:
        return self.queue.all.is_idle


class Pools(Generic[T]):
    """Only floor.py changes pools; it calls `changed` whenever a pool may have become ready, or empty."""

    def __init__(self) -> None:
        self._virtual = 0.0  # as in tree.py: the tag of the pool served last
        self._all: dict[str, Pool[T]] = {SHARED: Pool(SHARED)}
        self._used: dict[str, Pool[T]] = {}
        self._ready: list[tuple[float, int, Pool[T]]] = []  # a heap; some are not ready any more
        self._numbers = count()

    def of(self, model: str) -> Pool[T]:
        return self._all.get(model) or self._all[SHARED]

    @property
    def used(self) -> Iterable[Pool[T]]:
        """The pools in which anything waits or runs."""
        return self._used.values()

    def bound(self, rooms: Mapping[str, Room]) -> set[str]:
        """Sets the models that have room of their own.  One that has none any more keeps its pool until that is empty.
        Returns the models that had no pool before."""
        for model, pool in list(self._all.items()):
            if not model or model in rooms:
                continue
            pool.room = Room()
            if pool.is_empty:
                del self._all[model]
        new = rooms.keys() - self._all.keys()
        for model, room in rooms.items():
            pool = self._all.setdefault(model, Pool(model))
            pool.room = room
        for pool in list(self._used.values()):
            self.changed(pool)
        return new

    def changed(self, pool: Pool[T]) -> None:
        """Something began or ceased to wait or run in it, or its room has changed."""
        if pool.is_empty:
            self._used.pop(pool.model, None)
            return
        self._used[pool.model] = pool
        if not pool.listed and pool.is_ready:
            self._list(pool)

    def next(self) -> Pool[T] | None:
        """The pool that is served next; `took` then reports that it was.  None if none is ready."""
        while self._ready:
            pool = self._ready[0][2]
            if pool.is_ready:
                return pool
            heappop(self._ready)
            pool.listed = False
        return None

    def took(self, pool: Pool[T], weight: int, ticket: Ticket[T]) -> None:
        """The pool was served, while `weight` waited in it."""
        # Neither being idle nor being new is a credit.
        self._virtual = max(self._virtual, pool.tag)
        pool.tag = self._virtual + ticket.cost / weight
        heappop(self._ready)
        pool.listed = False
        self.changed(pool)

    def _list(self, pool: Pool[T]) -> None:
        heappush(self._ready, (pool.tag, next(self._numbers), pool))
        pool.listed = True
