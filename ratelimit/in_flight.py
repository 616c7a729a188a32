"""What is in flight through this process, and how much may be.  In memory; the shared side is in reports_redis.py.

A request is in flight from the moment it is asked about until its log entry is here.  What is bounded here is this
process alone; a bound over all sidecars arrives as this one's share of it (`lua/report.lua`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ratelimit.lease_id import timestamp_of
from tenancy.policy import Policy

UNBOUNDED = float("inf")
MOST_KNOWN = 50_000  # a report counts them every second, in 10 ms; beyond, the oldest are no longer counted
OWN, ALL = "sidecar:in_flight", "all:in_flight"  # the names under which the bounds refuse


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `most` at once; `name` says whose bound that is."""

    most: float = UNBOUNDED
    name: str = OWN


class InFlight:
    """`enter` is for the engine's thread (handlers run one at a time); everything else for any.

    Every step is one operation on one dict, which the interpreter does not interrupt: hence no lock.
    """

    def __init__(self, most_known: int = MOST_KNOWN) -> None:
        self.refused = 0  # by the bound, ever
        self._most_known = most_known
        self._running: dict[str, Policy] = {}  # by lease id, oldest first
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
        running = self._running
        if len(running) >= self._edge:
            if len(running) >= self._bound.most:
                self.refused += 1
                return False
            running.pop(next(iter(running)), None)
        running[lease_id] = policy
        return True

    def leave(self, lease_id: str) -> None:
        """It ended, or never ran.  May be told more than once, and of requests that went through another process."""
        self._running.pop(lease_id, None)

    def leave_all(self, lease_ids: Iterable[str]) -> None:
        for lease_id in lease_ids:
            self.leave(lease_id)

    def __len__(self) -> int:
        return len(self._running)

    def snapshot(self) -> Mapping[str, Policy]:
        """What is in flight now, oldest first."""
        return self._running.copy()


def older_than(lease_ids: Iterable[str], before_ms: int) -> list[str]:
    """Those that were minted before `before_ms` since 1970, of lease ids that begin with the oldest."""
    return list(takewhile(lambda lease_id: timestamp_of(lease_id) < before_ms, lease_ids))


def by_policy(running: Mapping[str, Policy]) -> list[tuple[Policy, int]]:
    """How many of each policy object: there are few, and telling them apart by identity is cheap."""
    policies = list(running.values())
    known = dict(zip(map(id, policies), policies, strict=True))
    return [(known[number], count) for number, count in Counter(map(id, policies)).items()]


def by_tenant(counts: Sequence[tuple[Policy, int]]) -> list[tuple[Policy, int]]:
    """The same by tenant, most in flight first: a policy of each tenant, and how many."""
    totals: Counter[str] = Counter()
    for policy, count in counts:
        totals[policy.tenant_id] += count
    policies = {policy.tenant_id: policy for policy, _ in counts}
    return [(policies[tenant_id], total) for tenant_id, total in totals.most_common()]


def by_group(counts: Sequence[tuple[Policy, int]]) -> list[tuple[str, int]]:
    """The same by fairshare group, most in flight first."""
    totals: Counter[str] = Counter()
    for policy, count in counts:
        totals[policy.fairshare_group] += count
    return totals.most_common()
