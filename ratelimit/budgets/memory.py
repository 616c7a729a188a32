"""Budgets in this process: the port's second implementation, and what enforces rates while Redis is away.

`LocalBudgets` is levels alone, bounded; `MemoryBudgets` adds leases and is the whole port.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ratelimit.budgets.level import Level, opened
from ratelimit.budgets.meter import Meter, Used
from ratelimit.budgets.port import (
    IN_FLIGHT,
    Admitted,
    Decision,
    LeaseName,
    Orphan,
    Refused,
    Reservation,
    Settled,
    Settlement,
)
from ratelimit.tenants.account import Account, Bucket

IN_FLIGHT_WAIT_MS = 1000  # when a slot comes free is unknown: ask again in a second
LOCAL_OWNERS = 10_000
NEVER = float("inf")


class LocalBudgets:
    """Live budgets of at most `owners` tenants and groups; the one used longest ago starts afresh.  Not thread-safe."""

    def __init__(self, owners: int = LOCAL_OWNERS) -> None:
        self._owners: OrderedDict[str, dict[str, Level]] = OrderedDict()
        self._bound = owners

    def take(self, reservation: Reservation, now_ms: int, in_flight_full: bool = False) -> tuple[Decision, set[int]]:
        """All of the account's buckets, or none; and the indexes of those from which nothing was taken, because a
        shadow limit would have refused."""
        buckets, costs = reservation.account.buckets, reservation.costs()
        levels = [self._resized(bucket, now_ms) for bucket in buckets]
        refusal = IN_FLIGHT if in_flight_full else ""
        longest: int | None = IN_FLIGHT_WAIT_MS if in_flight_full else -1
        missed: dict[int, float] = {}
        for n, (bucket, level, cost) in enumerate(zip(buckets, levels, costs, strict=True)):
            if cost == 0 or level.held >= cost:
                continue
            wait = level.wait_ms(cost, now_ms, bucket.meter.window_ms)
            if bucket.limit.shadow:
                missed[n] = NEVER if wait is None else wait
            elif longest is not None and (wait is None or wait > longest):
                refusal, longest = bucket.limit.name, wait
        if refusal:
            return Refused(refusal, longest, self._keep(buckets, levels)), set()
        for n, (level, cost) in enumerate(zip(levels, costs, strict=True)):
            if n in missed:
                level.changed = True
            else:
                level.add(-cost)
        shadow = buckets[max(missed, key=lambda n: missed[n])].limit.name if missed else ""
        return Admitted(self._keep(buckets, levels), shadow), set(missed)

    def level(self, meter: Meter, now_ms: int, *, ended: bool = False) -> Level:
        """The budget's state at `now_ms`; see ratelimit.budgets.level.opened.  A copy."""
        return opened(self._owners.get(meter.owner, {}).get(meter.key), meter, now_ms, ended=ended)

    def keep(self, meter: Meter, level: Level) -> None:
        """Stores it, if it has changed."""
        if not level.changed:
            return
        levels = self._owners.setdefault(meter.owner, {})
        self._owners.move_to_end(meter.owner)
        if len(self._owners) > self._bound:
            self._owners.popitem(last=False)
        levels[meter.key] = level

    def _keep(self, buckets: Sequence[Bucket], levels: Sequence[Level]) -> tuple[int, ...]:
        for bucket, level in zip(buckets, levels, strict=True):
            self.keep(bucket.meter, level)
        return tuple(level.held for level in levels)

    def _resized(self, bucket: Bucket, now_ms: int) -> Level:
        level = self.level(bucket.meter, now_ms)
        level.resize(bucket.capacity)
        return level


@dataclass(frozen=True, slots=True)
class _Lease:
    """`at_ms` is kept only if windows ask for it.  `missed`: indexes of the buckets from which nothing was taken."""

    reservation: Reservation
    at_ms: int | None
    deadline_ms: int
    missed: set[int]


@dataclass(slots=True)
class _Tenant:
    leases: dict[str, _Lease] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


class MemoryBudgets:
    """The whole port in memory, for one process.  `now_ms` is its clock.  Thread-safe."""

    def __init__(self, now_ms: Callable[[], int], lease_seconds: float) -> None:
        self._now_ms, self._lease_ms = now_ms, int(lease_seconds * 1000)
        self._levels = LocalBudgets()
        self._tenants: dict[str, _Tenant] = {}
        self._lock = threading.Lock()

    def reserve(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        with self._lock:
            now_ms = self._now_ms()
            return [self._reserve(reservation, now_ms) for reservation in batch]

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        with self._lock:
            return [self._settle(settlement) for settlement in batch]

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        with self._lock:
            return [self._release(name) for name in batch]

    def peek(self, account: Account) -> list[int]:
        with self._lock:
            now_ms, held = self._now_ms(), list[int]()
            for bucket in account.buckets:
                level = self._levels.level(bucket.meter, now_ms)
                level.resize(bucket.capacity)
                held.append(level.held)
            return held

    def orphans(self, limit: int) -> list[Orphan]:
        with self._lock:
            now_ms = self._now_ms()
            expired = [
                (tenant, lease.reservation)
                for tenant in self._tenants.values()
                for lease in tenant.leases.values()
                if lease.deadline_ms <= now_ms
            ][:limit]
            for tenant, reservation in expired:
                del tenant.leases[reservation.lease_id]
            return [_orphan(reservation) for _, reservation in expired]

    def _reserve(self, reservation: Reservation, now_ms: int) -> Decision:
        policy = reservation.account.policy
        tenant = self._tenants.setdefault(policy.tenant_id, _Tenant())
        in_flight = sum(1 for lease in tenant.leases.values() if lease.deadline_ms > now_ms)
        full = policy.max_in_flight is not None and in_flight >= policy.max_in_flight
        decision, missed = self._levels.take(reservation, now_ms, full)
        if isinstance(decision, Admitted):
            at_ms = now_ms if any(meter.kind != "b" for meter in reservation.account.meters) else None
            tenant.leases[reservation.lease_id] = _Lease(reservation, at_ms, now_ms + self._lease_ms, missed)
        return decision

    def _settle(self, settlement: Settlement) -> Settled:
        tenant = self._tenants.setdefault(settlement.tenant_id, _Tenant())
        if settlement.direct:
            if settlement.lease_id in tenant.settled:
                return Settled.GONE
            tenant.settled.add(settlement.lease_id)
        lease = tenant.leases.pop(settlement.lease_id, None)
        if lease is not None:
            self._end(lease, settlement.used)
        elif settlement.direct:
            for meter in settlement.meters:
                self._give_back(meter, -meter.actual(settlement.used, 1), None)
        else:
            return Settled.GONE
        return Settled.SETTLED

    def _release(self, name: LeaseName) -> Settled:
        lease = self._tenants.setdefault(name.tenant_id, _Tenant()).leases.pop(name.lease_id, None)
        if lease is None:
            return Settled.GONE
        self._end(lease, None)
        return Settled.SETTLED

    def _end(self, lease: _Lease, used: Used | None) -> None:
        """`used` None: it never ran."""
        reservation = lease.reservation
        for n, (bucket, reserved) in enumerate(zip(reservation.account.buckets, reservation.costs(), strict=True)):
            if n not in lease.missed:
                actual = 0 if used is None else bucket.meter.actual(used, reserved)
                self._give_back(bucket.meter, reserved - actual, lease.at_ms)

    def _give_back(self, meter: Meter, units: int, reserved_at_ms: int | None) -> None:
        if units:
            level = self._levels.level(meter, self._now_ms(), ended=True)
            level.give_back(units, reserved_at_ms)
            self._levels.keep(meter, level)


def _orphan(reservation: Reservation) -> Orphan:
    policy = reservation.account.policy
    return Orphan(
        tenant_id=policy.tenant_id,
        lease_id=reservation.lease_id,
        key_id=policy.key_id,
        user_id=policy.user_id,
        end_user_id=reservation.end_user_id,
        model=reservation.model,
        path=reservation.path,
        reserved_tokens=reservation.estimate.tokens,
        input_estimate=reservation.estimate.input_tokens,
    )
