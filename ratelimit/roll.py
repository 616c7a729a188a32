"""The roll: the requests in flight, their number by tenant, and the same in a file for the next process.

Counted as requests come and go, so that a report need not look at all of them.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

from ratelimit.journal import NOWHERE, Journal
from ratelimit.life import Life
from tenancy.values.policy import Policy


@dataclass(slots=True)
class Running:
    """What one tenant has in flight, and in the queue; `policy` is that of its latest request."""

    policy: Policy
    count: int = 0
    queued: int = 0


class Roll:
    """Not thread-safe.  Beyond `most_known` requests, the oldest are forgotten."""

    def __init__(self, most_known: int) -> None:
        self._most_known = most_known
        self._lives: OrderedDict[str, Life] = OrderedDict()  # by lease id, oldest first
        self._tenants: dict[str, Running] = {}
        self._journal: Journal | None = None

    def __len__(self) -> int:
        return len(self._lives)

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._lives

    def keep(self, journal: Journal) -> None:
        """Writes further requests to `journal` too."""
        self._journal = journal

    def add(self, life: Life) -> Life | None:
        """Returns the request that had to be forgotten for it, if any."""
        forgotten = None
        if len(self._lives) >= self._most_known:
            forgotten = self.take(next(iter(self._lives)))
        policy = life.policy
        self._lives[life.lease_id] = life
        if self._journal is not None:
            life.place = self._journal.enter(life.lease_id, policy.tenant_id, policy.fairshare_group, life.load.model)
        self._of(policy).count += 1
        return forgotten

    def answered(self, life: Life) -> None:
        if self._journal is not None:
            self._journal.answer(life.place)

    def take(self, lease_id: str) -> Life | None:
        """Removes and returns it; None if it is not there."""
        life = self._lives.pop(lease_id, None)
        if life is None:
            return None
        if life.place != NOWHERE and self._journal is not None:
            self._journal.leave(life.place)
            life.place = NOWHERE
        tenant = self._tenants[life.policy.tenant_id]
        tenant.count -= 1
        if not tenant.count:
            self._gone(tenant)
        return life

    def queue(self, life: Life) -> None:
        """It waits."""
        self._of(life.policy).queued += 1

    def unqueue(self, life: Life) -> None:
        """It no longer waits."""
        tenant = self._tenants[life.policy.tenant_id]
        tenant.queued -= 1
        self._gone(tenant)

    def older_than(self, before_ms: int) -> list[Life]:
        older = []
        for life in self._lives.values():
            if life.since_ms >= before_ms:
                break
            older.append(life)
        return older

    def tenants(self) -> list[Running]:
        """All tenants that have anything in flight or waiting."""
        return list(self._tenants.values())

    def tenant(self, tenant_id: str) -> Running | None:
        return self._tenants.get(tenant_id)

    def _of(self, policy: Policy) -> Running:
        """The entry of a request's tenant."""
        tenant = self._tenants.get(policy.tenant_id)
        if tenant is None:
            tenant = self._tenants[policy.tenant_id] = Running(policy)
        else:
            tenant.policy = policy
        return tenant

    def _gone(self, tenant: Running) -> None:
        """One of the tenant's requests has gone."""
        if not tenant.count and not tenant.queued:
            del self._tenants[tenant.policy.tenant_id]


def most(tenants: Iterable[Running], number: int) -> list[Running]:
    """The tenants with the most in flight, then with the most waiting, in this order."""
    return nlargest(number, tenants, key=lambda tenant: (tenant.count, tenant.queued))


def by_group(tenants: Sequence[Running]) -> list[tuple[str, int, int]]:
    """Fairshare groups with what is in flight and what waits, most in flight first."""
    totals: dict[str, list[int]] = {}
    for tenant in tenants:
        total = totals.setdefault(tenant.policy.fairshare_group, [0, 0])
        total[0] += tenant.count
        total[1] += tenant.queued
    return [(name, count, queued) for name, (count, queued) in sorted(totals.items(), key=lambda item: -item[1][0])]
