"""What is in flight through this process, and how much may be.  In memory; the shared side is in reports_redis.py.

A request is in flight from the moment it is asked about until its log entry is here.  What is bounded here is this
process alone; a bound over all sidecars arrives as this one's share of it (`lua/report.lua`).
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import takewhile

from ratelimit.lease_id import lowest_at
from tenancy.values.policy import Policy

UNBOUNDED = float("inf")
MAX_KNOWN = 200_000  # about 40 MB; beyond, the oldest are no longer counted
OWN, ALL = "sidecar:in_flight", "all:in_flight"  # the names under which the bounds refuse


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `most` at once; `name` says whose bound that is."""

    most: float = UNBOUNDED
    name: str = OWN


@dataclass(slots=True)
class Running:
    """What one tenant has in flight; `policy` is that of its latest request."""

    policy: Policy
    count: int


class InFlight:
    """For any thread: each step holds a lock, and takes the same time however much is in flight.

    What a report needs is counted as requests come and go: nothing then has to look at all of them.
    """

    def __init__(self, most_known: int = MAX_KNOWN) -> None:
        self.refused = 0  # by the bound, ever
        self._most_known = most_known
        self._lock = threading.Lock()
        self._running: OrderedDict[str, Policy] = OrderedDict()  # by lease id, oldest first
        self._tenants: dict[str, Running] = {}
        self.bound = Bound()

    @property
    def bound(self) -> Bound:
        return self._bound

    @bound.setter
    def bound(self, bound: Bound) -> None:
        self._bound = bound
        self._edge = min(bound.most, self._most_known)  # so that a request costs one comparison

    def enter(self, lease_id: str, policy: Policy) -> bool:
        """Counts it in, unless the bound is reached."""
        with self._lock:
            if len(self._running) >= self._edge:
                if len(self._running) >= self._bound.most:
                    self.refused += 1
                    return False
                self._count_out(self._running.popitem(last=False)[1])
            self._running[lease_id] = policy
            tenant = self._tenants.get(policy.tenant_id)
            if tenant is None:
                self._tenants[policy.tenant_id] = Running(policy, 1)
            else:
                tenant.policy, tenant.count = policy, tenant.count + 1
            return True

    def leave(self, lease_id: str) -> None:
        """It ended, or never ran.  May be told more than once, and of requests that went through another process."""
        with self._lock:
            policy = self._running.pop(lease_id, None)
            if policy is not None:
                self._count_out(policy)

    def leave_all(self, lease_ids: Iterable[str]) -> None:
        for lease_id in lease_ids:
            self.leave(lease_id)

    def __len__(self) -> int:
        return len(self._running)

    def older_than(self, before_ms: int) -> dict[str, Policy]:
        """What was let in before that time since 1970 and has not ended, oldest first.  Takes as long as it is many."""
        end = lowest_at(before_ms)
        with self._lock:
            return dict(takewhile(lambda item: item[0] < end, self._running.items()))

    def tenants(self) -> list[Running]:
        """Of each tenant that has anything in flight now."""
        with self._lock:
            return list(self._tenants.values())

    def _count_out(self, policy: Policy) -> None:
        tenant = self._tenants[policy.tenant_id]
        tenant.count -= 1
        if not tenant.count:
            del self._tenants[policy.tenant_id]


def most(tenants: Iterable[Running], number: int) -> list[Running]:
    """Those with most in flight, in this order."""
    return nlargest(number, tenants, key=lambda tenant: tenant.count)


def by_group(tenants: Sequence[Running]) -> list[tuple[str, int]]:
    """Fairshare groups, most in flight first."""
    totals: Counter[str] = Counter()
    for tenant in tenants:
        totals[tenant.policy.fairshare_group] += tenant.count
    return totals.most_common()
