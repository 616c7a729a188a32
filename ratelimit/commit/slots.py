"""Requests that found every slot of their owner taken, and wait a moment for one to come free.

A slot comes free when its lease is settled, some 20 ms after its client has read the end of the answer.  Without a
wait, a client that keeps exactly as many requests in flight as it may would be refused because of our lag.  So the
request of each owner that has waited longest asks again: when a lease of the owner was settled here, when another
request was admitted, and at growing intervals, since other processes settle too.  No I/O.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter

from msgspec import Struct

from ratelimit.budgets.port import Refused, Reservation
from ratelimit.commit.fallback import Outcome

RETRIES_SECONDS = (0.015, 0.05, 0.15, 0.3)  # since it began to wait
WAIT_SECONDS = 0.5  # then it is refused
MOST = 1024
MOST_OF_ONE = 64  # and never more than the owner has slots

Answer = Callable[[Outcome], None]


class Asking(Struct, eq=False):
    """One request that asks for its reservation.

    `waits` is called once, when there is no slot: whether its caller waits for one.  `since`: when it began to wait,
    None before that.  `refused`: the latest refusal.  `silent_since`: when Redis first failed to answer it.
    """

    reservation: Reservation
    answer: Answer
    waits: Callable[[], bool]
    since: float | None = None
    refused: Refused | None = None
    silent_since: float | None = None

    @property
    def owner(self) -> str:
        return self.reservation.rules.owner

    @property
    def slots(self) -> int:
        """The smaller of the bounds on slots that it needs one of."""
        leases = self.reservation.rules.leases
        return leases.least if leases is not None else 0

    def lacks_slot(self, refused: Refused) -> bool:
        leases = self.reservation.rules.leases
        return leases is not None and refused.limit in (leases.name, leases.name_of_part)


_since = attrgetter("since")


class Slots:
    """The requests that wait.  Not thread-safe: one thread owns it.  `clock` in seconds; at most `most` wait, of all
    owners."""

    def __init__(self, clock: Callable[[], float], most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._waiting: dict[str, dict[str, Asking]] = {}  # by owner and lease id
        self._size = 0
        self._due: list[tuple[float, int, Asking]] = []  # a heap; some entries have left since
        self._numbers = count()

    def __len__(self) -> int:
        return self._size

    def add(self, asking: Asking, refused: Refused) -> bool:
        """False if it has to be answered: it has waited long enough, there is no room, or its caller does not wait."""
        now = self._clock()
        others = self._waiting.get(asking.owner, {})
        if self._size >= self._most or len(others) >= min(asking.slots, MOST_OF_ONE):
            return False
        if asking.since is None:
            if not asking.waits():
                return False
            asking.since = now
        elif now >= asking.since + WAIT_SECONDS:
            return False
        asking.refused = refused
        others[asking.reservation.lease_id] = asking
        self._waiting[asking.owner] = others
        self._size += 1
        self._remind(asking, asking.since, now)
        return True

    def take(self, owner: str, most: int = 1) -> list[Asking]:
        """Removes those that have waited longest, so that they ask again: at most `most` slots of theirs may be
        free."""
        waiting = self._waiting.get(owner)
        if not waiting:
            return []
        oldest = sorted(waiting.values(), key=_since)[:most]
        for asking in oldest:
            self._remove(asking)
        return oldest

    def take_due(self) -> tuple[list[Asking], list[Asking]]:
        """Removes and returns those that ask again, and those that give up."""
        now = self._clock()
        asks: dict[str, Asking] = {}  # by owner: one of each
        gives_up: list[Asking] = []
        while self._due and self._due[0][0] <= now:
            asking = heappop(self._due)[2]
            waiting = self._waiting.get(asking.owner, {})
            since = asking.since
            if since is None or waiting.get(asking.reservation.lease_id) is not asking:
                continue
            if now >= since + WAIT_SECONDS:
                self._remove(asking)
                gives_up.append(asking)
            elif asking.owner not in asks and asking is min(waiting.values(), key=_since):
                self._remove(asking)
                asks[asking.owner] = asking
            else:
                self._remind(asking, since, now)
        return [*asks.values()], gives_up

    def take_all(self) -> list[Asking]:
        return [asking for owner in list(self._waiting) for asking in self.take(owner, self._size)]

    def forget(self, reservation: Reservation) -> bool:
        """Its caller has left.  Returns whether it was waiting here, and so holds nothing."""
        asking = self._waiting.get(reservation.rules.owner, {}).get(reservation.lease_id)
        if asking is None:
            return False
        self._remove(asking)
        return True

    def seconds_until_due(self) -> float | None:
        """None if nobody waits."""
        return max(0.0, self._due[0][0] - self._clock()) if self._size else None

    def _remind(self, asking: Asking, since: float, now: float) -> None:
        due = next((since + each for each in RETRIES_SECONDS if since + each > now), since + WAIT_SECONDS)
        heappush(self._due, (due, next(self._numbers), asking))

    def _remove(self, asking: Asking) -> None:
        waiting = self._waiting[asking.owner]
        del waiting[asking.reservation.lease_id]
        if not waiting:
            del self._waiting[asking.owner]
        self._size -= 1
