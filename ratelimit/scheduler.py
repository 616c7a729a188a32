"""The scheduler as the register uses it: lives by their group, tenant and perhaps user, and what tenants have had.

Who is next is decided in fairness/."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import Struct

from ratelimit.fairness.expected import Expected
from ratelimit.fairness.floor import Floor, Full, Terms
from ratelimit.fairness.pools import UNBOUNDED, Room
from ratelimit.fairness.queue import Share, Ticket
from ratelimit.fairness.tree import Demand
from ratelimit.life import Life
from ratelimit.occupancy import Occupancy
from tenancy.values.policy import DEFAULT_WEIGHT

OWN, ALL, MODEL = "sidecar:in_flight", "all:in_flight", "model:in_flight"  # the names under which the bounds refuse

Served = Mapping[tuple[str, str], int]
"""Tokens of service by group and tenant."""


class Finished(Struct, frozen=True, gc=False):
    """A tenant's finished requests: the tokens of service that they had, and how long they ran."""

    service: int = 0
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `most` at once; `name` says whose bound that is."""

    most: float = UNBOUNDED
    name: str = OWN


class Scheduler:
    """Not thread-safe.  `by_user`: the users of a tenant have shares too.  `clock` in seconds."""

    def __init__(self, terms: Terms, *, by_user: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._floor: Floor[Life] = Floor(terms)
        self._by_user, self._clock = by_user, clock
        self._expected = Expected()
        self._waiting: dict[str, Life] = {}  # by lease id
        self.rooms: Mapping[str, Room] = {}
        self.weights: Mapping[str, int] = {}  # of groups
        self._allotted: Mapping[str, int] | None = None
        self._occupancy = Occupancy()
        self._served: dict[tuple[str, str], int] = {}
        self._finished: dict[tuple[str, str], list[int]] = {}  # as the members of Finished

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def waiting_as(self, lease_id: str) -> Life | None:
        return self._waiting.get(lease_id)

    def waiting_since(self) -> dict[str, int]:
        """By tenant that waits: since when the first of its requests has waited."""
        found: dict[str, int] = {}
        for life in self._waiting.values():  # oldest first
            found.setdefault(life.policy.tenant_id, life.since_ms)
        return found

    def bound(self, most: float) -> None:
        self._floor.most = most

    def share(self, rooms: Mapping[str, Room], weights: Mapping[str, int]) -> None:
        """Sets the models that have room of their own, and the weights of groups, for requests that come from now
        on."""
        self.rooms, self.weights = rooms, weights
        self._occupancy.keep(rooms)
        self._set_rooms()

    def allot(self, shares: Mapping[str, int] | None) -> None:
        """Sets this process's part of each model's room; models that are not named have none.  None: it has all of it,
        because nobody shares it."""
        if shares != self._allotted:
            self._allotted = shares
            self._set_rooms()

    def demands(self) -> Iterator[tuple[str, Demand]]:
        """What each tenant has in flight and waiting, by the model whose room it is in ("": that of all others)."""
        return self._floor.demands()

    def begin(self, life: Life) -> bool:
        """Whether there is room, and nobody waits for it."""
        life.ticket = ticket = self._floor.begin(life, self._cost(life), self._way(life), life.load.model)
        if ticket is None:
            return False
        self._runs(life, ticket)
        return True

    def run(self, life: Life) -> None:
        """Enters a request that already runs, whether there is room or not."""
        life.ticket = self._floor.run(life, life.load.service, self._way(life), life.load.model)
        self._begins(life, life.ticket)

    def ask(self, life: Life, patience: float) -> tuple[bool, tuple[Life, Full] | None] | Full:
        """Whether it waits; and a waiting request that has to make room for it."""
        model, now = life.load.model, self._clock()
        asked = self._floor.ask(life, self._cost(life), self._way(life), model, now, patience)
        if isinstance(asked, Full):
            return asked
        life.ticket = asked.ticket
        if asked.waits:
            self._waiting[life.lease_id] = life
        else:
            self._runs(life, asked.ticket)
        if asked.displaced is None:
            return asked.waits, None
        ticket, full = asked.displaced
        return asked.waits, (self._out(ticket.item), full)

    def admit(self) -> Life | None:
        """The next that runs, if there is room for one."""
        ticket = self._floor.admit(self._clock())
        if ticket is None:
            return None
        self._floor.charge(ticket, self._cost(ticket.item))  # more may be known by now
        self._runs(ticket.item, ticket)
        del self._waiting[ticket.item.lease_id]
        return ticket.item

    def waits_first(self, life: Life) -> bool:
        """Whether nobody else waits where it does."""
        return len(self._floor.pool_of(life.load.model).queue) == 1

    def leave(self, life: Life) -> None:
        """It no longer waits."""
        if life.ticket is not None:
            self._floor.leave(life.ticket, self._clock())
            self._out(life)

    def over(self, life: Life, service: int | None = None) -> None:
        """It no longer runs.  `service`: what it has had in all, None if not known."""
        ticket = life.ticket
        if ticket is None:
            return
        now = self._clock()
        if service is not None:
            self._learn(life, ticket, service, now)
        self._occupancy.ends(ticket.room, now)
        self._floor.over(ticket, service)
        life.ticket = None

    def _learn(self, life: Life, ticket: Ticket[Life], service: int, now: float) -> None:
        """What a finished request has had."""
        policy, load = life.policy, life.load
        answer = service - load.service
        self._expected.learn(policy.tenant_id, load.model, answer if answer > 0 else 0)
        name = policy.fairshare_group, policy.tenant_id
        self._served[name] = self._served.get(name, 0) + service - ticket.charged
        had = self._finished.get(name)
        if had is None:
            had = self._finished[name] = [0, 0]
        had[0] += service
        had[1] += int(1000 * (now - ticket.began))

    def charge(self, life: Life, service: int) -> None:
        """What a running request has had so far."""
        if life.ticket is not None:
            self._count(life, service - life.ticket.charged)
            self._floor.charge(life.ticket, service)

    def expired(self) -> list[tuple[Life, Full]]:
        """Removes the requests that have waited for as long as they may."""
        return [(self._out(ticket.item), full) for ticket, full in self._floor.expired(self._clock())]

    def occupied(self) -> tuple[float, Mapping[str, float]]:
        """A time, and for each room the total seconds that its places were in use by then."""
        now = self._clock()
        return now, self._occupancy.seconds(now)

    def take_served(self) -> Served:
        """What tenants were served since the last call.  Corrected estimates can make it negative."""
        served, self._served = self._served, {}
        return served

    def take_finished(self) -> Mapping[tuple[str, str], Finished]:
        """The requests that finished since the last call, by group and tenant."""
        finished, self._finished = self._finished, {}
        return {name: Finished(*had) for name, had in finished.items()}

    def served_elsewhere(self, group: str, tenant_id: str, weight: int, service: int) -> None:
        """What a tenant has had in other sidecars."""
        way = (group, self.weights.get(group, DEFAULT_WEIGHT)), (tenant_id, weight)
        self._floor.charge_elsewhere(way, service)

    def _set_rooms(self) -> None:
        shares = self._allotted
        if shares is None:
            self._floor.bound(self.rooms)
            return
        self._floor.bound(
            {
                model: room if room.most == UNBOUNDED else room._replace(most=min(room.most, shares.get(model, 0)))
                for model, room in self.rooms.items()
            }
        )

    def _runs(self, life: Life, ticket: Ticket[Life]) -> None:
        self._begins(life, ticket)
        self._count(life, ticket.charged)

    def _begins(self, life: Life, ticket: Ticket[Life]) -> None:
        model = life.load.model
        ticket.began = self._clock()
        ticket.room = model if model in self.rooms else ""
        self._occupancy.begins(ticket.room, ticket.began)

    def _cost(self, life: Life) -> int:
        load = life.load
        return load.service + self._expected.of(life.policy.tenant_id, load.model, load.most)

    def _out(self, life: Life) -> Life:
        """It is no longer in the queue."""
        life.ticket = None
        del self._waiting[life.lease_id]
        return life

    def _way(self, life: Life) -> tuple[Share, ...]:
        policy = life.policy
        group = policy.fairshare_group
        shares = (group, self.weights.get(group, DEFAULT_WEIGHT)), (policy.tenant_id, policy.weight)
        return (*shares, (life.load.user, DEFAULT_WEIGHT)) if self._by_user else shares

    def _count(self, life: Life, service: int) -> None:
        tenant = life.policy.fairshare_group, life.policy.tenant_id
        self._served[tenant] = self._served.get(tenant, 0) + service
