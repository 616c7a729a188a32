"""The register of what is in flight through this process.  What sidecars share is in fleet/."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import takewhile
from typing import Protocol

from ratelimit.journal import NOWHERE, Entry
from ratelimit.life import (
    ADMIT,
    ADMITTED,
    END,
    EXPIRE,
    LEAVE,
    LOSE,
    OVER,
    QUEUE,
    REFUSE,
    RUN,
    RUNNING,
    Life,
    Moves,
)  # fmt: skip
from tenancy.values.lease_id import lease_ms
from tenancy.values.policy import Policy

UNBOUNDED = float("inf")
MAX_KNOWN = 200_000  # about 50 MB; beyond, the oldest are no longer counted
MAX_EARLY = 10_000  # ends that came before their requests; about 2 MB
OWN, ALL = "sidecar:in_flight", "all:in_flight"  # the names under which the bounds refuse


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `most` at once; `name` says whose bound that is."""

    most: float = UNBOUNDED
    name: str = OWN


class Journal(Protocol):
    """Where what is in flight is written down: ratelimit/journal.py."""

    def enter(self, lease_id: str, tenant_id: str, group: str) -> int: ...

    def answer(self, place: int) -> None: ...

    def leave(self, place: int) -> None: ...


@dataclass(slots=True)
class Running:
    """What one tenant has in flight; `policy` is that of its latest request."""

    policy: Policy
    count: int


class InFlight:
    """The register: what is in flight through this process, and how much may be.  In memory.

    For any thread: each step holds a lock, and takes the same time however much is in flight.  What a report needs is
    counted as requests come and go: nothing then has to look at all of them.  A bound over all sidecars arrives as
    this one's share of it (`fleet/lua/report.lua`).
    """

    def __init__(self, most_known: int = MAX_KNOWN) -> None:
        self.refused = 0  # by the bound, ever
        self.entered = self.heard = 0  # requests that went to the budgets, and ends that were told of, ever
        self._most_known = most_known
        self._lock = threading.Lock()
        self._lives: OrderedDict[str, Life] = OrderedDict()  # by lease id, oldest first
        self._tenants: dict[str, Running] = {}
        self._journal: Journal | None = None
        self._early: OrderedDict[str, None] = OrderedDict()  # lease ids
        self.bound = Bound()

    def keep(self, journal: Journal) -> None:
        """Writes down in `journal` what is in flight from now on.  Before the first request."""
        self._journal = journal

    def inherit(self, left: Iterable[Entry]) -> None:
        """Counts in what another process had answered, the oldest first; before the first request, as far as may be."""
        for entry in left:
            life = self.enter(entry.lease_id, Policy(entry.tenant_id, "", fairshare_group=entry.group))
            if life is not None:
                self.admit(life)
                self.run(life)

    @property
    def bound(self) -> Bound:
        return self._bound

    @bound.setter
    def bound(self, bound: Bound) -> None:
        self._bound = bound
        self._edge = min(bound.most, self._most_known)  # so that a request costs one comparison

    def enter(self, lease_id: str, policy: Policy, now_ms: int | None = None) -> Life | None:
        """Its life begins, and it is counted in; None if the bound is reached.  `now_ms` since 1970: not before what
        entered earlier; None: as its id says.

        A request whose end came ahead of it is over from the start, and is not counted."""
        since_ms = lease_ms(lease_id) if now_ms is None else now_ms
        with self._lock:
            if self._early and lease_id in self._early:
                del self._early[lease_id]
                return Life(lease_id, policy, since_ms, OVER)
            if len(self._lives) >= self._edge:
                if len(self._lives) >= self._bound.most:
                    self.refused += 1
                    return None
                self._count_out(self._lives.popitem(last=False)[1])
            self.entered += 1
            life = self._lives[lease_id] = Life(lease_id, policy, since_ms)
            if self._journal is not None:
                life.place = self._journal.enter(lease_id, policy.tenant_id, policy.fairshare_group)
            tenant = self._tenants.get(policy.tenant_id)
            if tenant is None:
                self._tenants[policy.tenant_id] = Running(policy, 1)
            else:
                tenant.policy, tenant.count = policy, tenant.count + 1
            return life

    def queue(self, life: Life) -> None:
        with self._lock:
            life.state = QUEUE[life.state]

    def admit(self, life: Life) -> bool:
        """Whether it may run; if not, it has ended meanwhile, and a lease that it has must be given back."""
        with self._lock:
            life.state = ADMIT[life.state]
            return life.state is ADMITTED

    def run(self, life: Life) -> None:
        with self._lock:
            life.state = RUN[life.state]
            if self._journal is not None and life.state is RUNNING:
                self._journal.answer(life.place)

    def refuse(self, life: Life) -> None:
        self._move(life, REFUSE)

    def leave(self, life: Life) -> bool:
        """Whether that abandoned it: then a lease that it may have must be given back."""
        return self._move(life, LEAVE)

    def lose(self, life: Life) -> bool:
        """As `leave`."""
        return self._move(life, LOSE)

    def end(self, lease_id: str) -> None:
        with self._lock:
            self._end(lease_id)

    def end_undecided(self, lease_ids: Iterable[str]) -> None:
        """These are over, and nothing that ratelimit may have answered has reached Envoy, nor will: one that is not
        here yet comes for nothing."""
        with self._lock:
            for lease_id in lease_ids:
                if self._end(lease_id):
                    continue
                self._early[lease_id] = None
                if len(self._early) > MAX_EARLY:
                    self._early.popitem(last=False)

    def knows(self, lease_id: str) -> bool:
        """Whether it is in flight."""
        return lease_id in self._lives

    def count_of(self, tenant_id: str) -> int:
        """How many of the tenant's are in flight."""
        running = self._tenants.get(tenant_id)
        return 0 if running is None else running.count

    def end_all(self, lease_ids: Iterable[str]) -> None:
        for lease_id in lease_ids:
            self.end(lease_id)

    def expire_before(self, before_ms: int) -> None:
        """What entered before that time since 1970 has no lease any more."""
        for life in self.older_than(before_ms):
            self._move(life, EXPIRE)

    def __len__(self) -> int:
        return len(self._lives)

    def older_than(self, before_ms: int) -> list[Life]:
        """What entered before that time and is in flight, oldest first.  Takes as long as it is many."""
        with self._lock:
            return list(takewhile(lambda life: life.since_ms < before_ms, self._lives.values()))

    def tenants(self) -> list[Running]:
        """Of each tenant that has anything in flight now."""
        with self._lock:
            return list(self._tenants.values())

    def _end(self, lease_id: str) -> bool:
        """Whether it was in flight."""
        self.heard += 1
        life = self._lives.pop(lease_id, None)
        if life is None:
            return False
        life.state = END[life.state]
        self._count_out(life)
        return True

    def _move(self, life: Life, moves: Moves) -> bool:
        """Whether it moved, which took it out of flight."""
        with self._lock:
            after = moves[life.state]
            if after is life.state:
                return False
            life.state = after
            if self._lives.pop(life.lease_id, None) is not None:  # else it was one too many to know of
                self._count_out(life)
            return True

    def _count_out(self, life: Life) -> None:
        if self._journal is not None:
            self._journal.leave(life.place)
            life.place = NOWHERE
        tenant = self._tenants[life.policy.tenant_id]
        tenant.count -= 1
        if not tenant.count:
            del self._tenants[life.policy.tenant_id]


def most(tenants: Iterable[Running], number: int) -> list[Running]:
    """Those with most in flight, in this order."""
    return nlargest(number, tenants, key=lambda tenant: tenant.count)


def by_group(tenants: Sequence[Running]) -> list[tuple[str, int]]:
    """Fairshare groups, most in flight first."""
    totals: Counter[str] = Counter()
    for tenant in tenants:
        totals[tenant.policy.fairshare_group] += tenant.count
    return totals.most_common()
