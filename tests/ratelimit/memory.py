"""The ports to budgets as plain Python, to compare the scripts with: the same arithmetic, and nothing of Redis."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cachetools import TTLCache

from ratelimit.budgets.budget import Verdict, actual, full_in_ms, judged, opened
from ratelimit.budgets.control_redis import MARKER_MS, Held
from ratelimit.budgets.local import LocalBudgets
from ratelimit.budgets.port import (
    SWEPT_AGAIN_MS,
    Admitted,
    Decision,
    LeaseName,
    Orphan,
    Refused,
    Reservation,
    Settled,
    Settlement,
)
from ratelimit.budgets.rule import BUCKET, PART, Rule, Used

LEASE_WAIT_MS = 1000


@dataclass(frozen=True)
class Lease:
    """`at_ms` is kept only if windows ask for it.  `missed`: indexes of the rules by which nothing was taken."""

    reservation: Reservation
    at_ms: int | None
    deadline_ms: int
    missed: set[int]


@dataclass
class _Owner:
    """`swept`: leases that expired and were given to a sweep; a late settlement still finds them."""

    leases: dict[str, Lease] = field(default_factory=dict)
    swept: dict[str, int | None] = field(default_factory=dict)  # when; None: its row is safe
    settled: set[str] = field(default_factory=set)


class MemoryBudgets:
    """The port of requests.  `now_ms` is its clock.  Thread-safe."""

    def __init__(self, now_ms: Callable[[], int], lease_seconds: float) -> None:
        self._now_ms, self._lease_ms = now_ms, int(lease_seconds * 1000)
        self._budgets = LocalBudgets()
        self._owners: dict[str, _Owner] = {}
        self._lock = threading.Lock()

    def reserve(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        with self._lock:
            now_ms = self._now_ms()
            return [self._reserve(reservation, now_ms) for reservation in batch]

    def look(self, batch: Sequence[Reservation]) -> list[Decision | None]:
        with self._lock:
            now_ms = self._now_ms()
            return [self._reserve(reservation, now_ms, take=False) for reservation in batch]

    def settle(self, batch: Sequence[Settlement]) -> list[Settled]:
        with self._lock:
            return [self._settle(settlement) for settlement in batch]

    def release(self, batch: Sequence[LeaseName]) -> list[Settled]:
        with self._lock:
            return [self._release(name) for name in batch]

    def renew(self, batch: Sequence[LeaseName]) -> None:
        with self._lock:
            for name in batch:
                owner = self._owners.setdefault(name.owner, _Owner())
                if (lease := owner.leases.get(name.lease_id)) is not None:
                    owner.leases[name.lease_id] = replace(lease, deadline_ms=self._now_ms() + self._lease_ms)
                    owner.swept.pop(name.lease_id, None)

    def expire(self, batch: Sequence[LeaseName]) -> None:
        with self._lock:
            for name in batch:
                owner = self._owners.setdefault(name.owner, _Owner())
                if (lease := owner.leases.get(name.lease_id)) is not None and name.lease_id not in owner.swept:
                    owner.leases[name.lease_id] = replace(lease, deadline_ms=0)

    def running(self) -> Iterator[list[LeaseName]]:
        with self._lock:
            now_ms, owners = self._now_ms(), list(self._owners.items())
        for name, owner in owners:
            yield [LeaseName(name, each) for each, lease in list(owner.leases.items()) if lease.deadline_ms > now_ms]

    def orphans(self, limit: int) -> list[Orphan]:
        with self._lock:
            now_ms = self._now_ms()
            found: list[Orphan] = []
            for owner in self._owners.values():
                for lease_id, lease in owner.leases.items():
                    again = lease_id in owner.swept
                    if lease.deadline_ms > now_ms or len(found) == limit:
                        continue
                    if again and ((given := owner.swept[lease_id]) is None or given > now_ms - SWEPT_AGAIN_MS):
                        continue
                    owner.swept[lease_id] = now_ms
                    of = lease.reservation
                    found.append(Orphan(of.rules.owner, lease_id, _kept(of), again))
            return found

    def accounted(self, batch: Sequence[LeaseName]) -> None:
        with self._lock:
            for name in batch:
                owner = self._owners.setdefault(name.owner, _Owner())
                if name.lease_id in owner.swept:
                    owner.swept[name.lease_id] = None

    def take_lease(self, owner: str, lease_id: str) -> Lease | None:
        """Takes it out, unsettled."""
        with self._lock:
            return self._owners.setdefault(owner, _Owner()).leases.pop(lease_id, None)

    def held(self, rules: Sequence[Rule]) -> list[int]:
        """Changes nothing."""
        with self._lock:
            return [self._budgets.open(rule, self._now_ms()).held for rule in rules]

    def _reserve(self, reservation: Reservation, now_ms: int, *, take: bool = True) -> Decision:
        rules, leases = reservation.rules.rules, reservation.rules.leases
        owner = self._owners.setdefault(reservation.rules.owner, _Owner())
        budgets = [self._budgets.open(rule, now_ms) for rule in rules]
        verdict = judged(rules, budgets, reservation.costs, now_ms=now_ms)
        if reservation.lease_id in owner.leases:
            return Admitted(self._budgets.keep(rules, budgets))
        in_flight = sum(1 for lease in owner.leases.values() if lease.deadline_ms > now_ms)
        if leases is not None and leases.most is not None and in_flight >= leases.most and _sooner(verdict):
            return Refused(leases.name, LEASE_WAIT_MS, self._budgets.keep(rules, budgets))
        if leases is not None and leases.most_of_part is not None and _sooner(verdict):
            mine = [lease for lease in owner.leases.values() if _part(lease) == leases.keeps[PART]]
            if sum(1 for lease in mine if lease.deadline_ms > now_ms) >= leases.most_of_part:
                return Refused(leases.name_of_part, LEASE_WAIT_MS, self._budgets.keep(rules, budgets))
        if verdict.bound is not None:
            return Refused(rules[verdict.bound].name, verdict.wait_ms, self._budgets.keep(rules, budgets))
        missed = verdict.missed
        shadow = rules[max(missed, key=missed.__getitem__)].name if missed else ""
        if not take:
            return Admitted(self._budgets.keep(rules, budgets), shadow)
        for n, (budget, cost) in enumerate(zip(budgets, reservation.costs, strict=True)):
            if n in missed:
                budget.changed = True
            else:
                budget.add(-cost)
        if leases is not None:
            at_ms = now_ms if any(rule.shape[0] != BUCKET for rule in rules) else None
            lease = Lease(reservation, at_ms, now_ms + self._lease_ms, set(missed))
            owner.leases[reservation.lease_id] = lease
            owner.swept.pop(reservation.lease_id, None)
        return Admitted(self._budgets.keep(rules, budgets), shadow)

    def _settle(self, settlement: Settlement) -> Settled:
        owner = self._owners.setdefault(settlement.owner, _Owner())
        if settlement.direct:
            if settlement.lease_id in owner.settled:
                return Settled.GONE
            owner.settled.add(settlement.lease_id)
        lease = owner.leases.pop(settlement.lease_id, None)
        if lease is not None:
            self._end(lease, settlement.used)
        elif settlement.direct:
            for rule in settlement.rules:
                self.give_back(rule, -actual(rule.counts, settlement.used, reserved=1), None)
        else:
            return Settled.GONE
        return Settled.SETTLED

    def _release(self, name: LeaseName) -> Settled:
        lease = self._owners.setdefault(name.owner, _Owner()).leases.pop(name.lease_id, None)
        if lease is None:
            return Settled.GONE
        self._end(lease, None)
        return Settled.SETTLED

    def _end(self, lease: Lease, used: Used | None) -> None:
        """`used` None: it never ran."""
        reservation = lease.reservation
        for n, (rule, reserved) in enumerate(zip(reservation.rules.rules, reservation.costs, strict=True)):
            if n not in lease.missed:
                cost = 0 if used is None else actual(rule.counts, used, reserved=reserved)
                self.give_back(rule, reserved - cost, lease.at_ms)

    def give_back(self, rule: Rule, units: int, reserved_at_ms: int | None) -> None:
        if units:
            budget = opened(self._budgets.stored(rule), rule, now_ms=self._now_ms(), ended=True)
            budget.give_back(units, reserved_at_ms=reserved_at_ms)
            self._budgets.keep([rule], [budget])


class MemoryControl:
    """The port of operators."""

    spans_owners = True

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._budgets, self._now_ms = LocalBudgets(), now_ms
        self._made: TTLCache[str, None] = TTLCache(1000, MARKER_MS, now_ms)

    async def peek(self, rules: Sequence[Rule]) -> list[Held]:
        now_ms, found = self._now_ms(), list[Held]()
        for rule in rules:
            budget = self._budgets.open(rule, now_ms)
            later = full_in_ms(rule, held=budget.held, now_ms=now_ms, carry=budget.carry)
            found.append(Held(budget.held, now_ms + later, 0))
        return found

    async def reset(self, rules: Sequence[Rule], once: str = "") -> list[Held]:
        if self._first(once):
            for rule in rules:
                full = opened(None, rule, now_ms=self._now_ms())
                full.changed = True
                self._budgets.keep([rule], [full])
        return await self.peek(rules)

    async def adjust(self, rule: Rule, units: int, once: str = "") -> Held:
        if self._first(once):
            budget = self._budgets.open(rule, self._now_ms())
            budget.add(units)
            self._budgets.keep([rule], [budget])
        (held,) = await self.peek([rule])
        return held

    def _first(self, once: str) -> bool:
        if once in self._made:
            return False
        if once:
            self._made[once] = None
        return True


def _sooner(verdict: Verdict) -> bool:
    """Whether the rules are waited for no longer than a lease."""
    return verdict.bound is None or (verdict.wait_ms is not None and verdict.wait_ms <= LEASE_WAIT_MS)


def _kept(reservation: Reservation) -> dict[str, str | int]:
    leases = reservation.rules.leases
    return {**(leases.keeps if leases else {}), **reservation.keeps}


def _part(lease: Lease) -> str | None:
    leases = lease.reservation.rules.leases
    return None if leases is None else leases.keeps.get(PART)
