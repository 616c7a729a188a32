"""What operators and the other sidecars tell the register about shares, and what it tells them."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from ratelimit.fairness.pools import Room
from ratelimit.fairness.tree import Demand
from ratelimit.life import Life
from ratelimit.roll import Roll
from ratelimit.scheduler import Finished, Scheduler, Served


class Sharing:
    """Thread-safe: `lock` is the register's, and `let_in` is called when there may be room.

    `wake` is called when a request is the first to wait for its model's room: a report may get more of it.
    """

    def __init__(self, lock: Lock, scheduler: Scheduler, roll: Roll, let_in: Callable[[], None]) -> None:
        self._lock, self._scheduler, self._roll, self._let_in = lock, scheduler, roll, let_in
        self.wake: Callable[[], None] = lambda: None

    def agree(self, rooms: Mapping[str, Room], weights: Mapping[str, int]) -> None:
        """The models that have room of their own, and the weights of groups."""
        with self._lock:
            self._scheduler.share(rooms, weights)
        self._let_in()
        self.wake()

    def allot(self, shares: Mapping[str, int] | None) -> None:
        """What this process has of each model's room (Scheduler.allot)."""
        with self._lock:
            self._scheduler.allot(shares)
        self._let_in()

    @property
    def rooms(self) -> Mapping[str, Room]:
        return self._scheduler.rooms

    @property
    def weights(self) -> Mapping[str, int]:
        return self._scheduler.weights

    def demands(self) -> list[tuple[str, Demand]]:
        """What each tenant has in flight and waiting, by the model whose room it is in ("": that of all others)."""
        with self._lock:
            return list(self._scheduler.demands())

    def occupied(self) -> tuple[float, Mapping[str, float]]:
        """A time, and for each room the total seconds that its places were in use by then."""
        with self._lock:
            return self._scheduler.occupied()

    def charge(self, lives: Iterable[tuple[Life, int]]) -> None:
        """What running requests have had so far, in tokens of service, if that exceeds their estimates."""
        for life, service in lives:
            if life.ticket is None or service <= life.ticket.charged:
                continue
            with self._lock:
                if life.ticket is not None and life.lease_id in self._roll and service > life.ticket.charged:
                    self._scheduler.charge(life, service)

    def take_served(self) -> Served:
        """What tenants have had since this was last asked."""
        with self._lock:
            return self._scheduler.take_served()

    def take_finished(self) -> Mapping[tuple[str, str], Finished]:
        """The requests that finished since the last call: what they had, and how long they ran."""
        with self._lock:
            return self._scheduler.take_finished()

    def served_elsewhere(self, served: Served) -> None:
        """What tenants have had in other sidecars meanwhile."""
        with self._lock:
            for (group, tenant_id), service in served.items():
                if (tenant := self._roll.tenant(tenant_id)) is not None:
                    self._scheduler.served_elsewhere(group, tenant_id, tenant.policy.weight, service)

    def waiting_since(self) -> Mapping[str, int]:
        """By tenant that waits: since when the first of its requests has waited, in ms since 1970."""
        with self._lock:
            return self._scheduler.waiting_since()
