"""What a report says: made from what the register counts, and from what was served lately.  No I/O."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from ratelimit.fairness.pools import UNBOUNDED
from ratelimit.fairness.tree import Demand
from ratelimit.fleet.claims import claims_of
from ratelimit.fleet.identity import Identity
from ratelimit.fleet.report import MAX_GROUPS, MAX_TENANTS, GroupLoad, ModelLoad, Report, TenantLoad
from ratelimit.fleet.served import LatelyServed
from ratelimit.in_flight import InFlight
from ratelimit.metrics import ADMITTED, RatelimitMetrics
from ratelimit.roll import Running, by_group, most
from ratelimit.scheduler import Finished, Served

MS = 1000


class Composer:
    """Not thread-safe.  `queued`: the number of requests that wait in this process; `models`: the loads of models;
    `clock` in seconds."""

    def __init__(
        self,
        identity: Identity,
        in_flight: InFlight,
        metrics: RatelimitMetrics,
        *,
        available: Callable[[], bool],
        queued: Callable[[], int],
        models: Callable[[], tuple[ModelLoad, ...]],
        clock: Callable[[], float],
    ) -> None:
        self._identity, self._in_flight, self._metrics = identity, in_flight, metrics
        self._available, self._queued, self._models, self._clock = available, queued, models, clock
        self._served, self._finished, self._ran_ms = LatelyServed(), LatelyServed(), LatelyServed()

    def count(self, served: Served, finished: Mapping[tuple[str, str], Finished]) -> None:
        """Adds what tenants had since the last call."""
        now = self._clock()
        self._served.add(served, now)
        self._metrics.groups.had(served)
        self._finished.add({name: each.service for name, each in finished.items()}, now)
        self._ran_ms.add({name: each.milliseconds for name, each in finished.items()}, now)

    def report(
        self, tenants: Sequence[Running], demands: Sequence[tuple[str, Demand]], capacity_version: int
    ) -> Report:
        bound, counts = self._in_flight.bound, self._metrics.decisions.counts
        now_ms, since = time.time_ns() // 1_000_000, self._in_flight.sharing.waiting_since()
        waits = {tenant_id: (now_ms - since_ms) / MS for tenant_id, since_ms in since.items()}
        at, occupied = self._in_flight.sharing.occupied()
        self._metrics.groups.wait({name: queued for name, _, queued in by_group(tenants)})
        admitted = sum(counts[outcome] for outcome in ADMITTED)
        return Report(
            **asdict(self._identity),
            in_flight=len(self._in_flight),
            queued=self._queued(),
            max_in_flight=None if bound.most == UNBOUNDED else int(bound.most),
            bound_by=bound.name,
            capacity_version=capacity_version,
            admitted=admitted,
            refused=sum(counts.values()) - admitted,
            refused_capacity=self._in_flight.refused,
            redis_available=self._available(),
            tenants_in_flight=len(tenants),
            tenants=tuple(self._load(tenant, waits) for tenant in most(tenants, MAX_TENANTS)),
            groups=self._groups(tenants, waits),
            models=self._models(),
            claims=claims_of(demands),
            at=at,
            occupied={model: round(seconds, 3) for model, seconds in occupied.items()},
        )

    def _load(self, tenant: Running, waits: Mapping[str, float]) -> TenantLoad:
        policy = tenant.policy
        name = policy.fairshare_group, policy.tenant_id
        return TenantLoad(
            policy.tenant_id,
            policy.fairshare_group,
            policy.weight,
            tenant.count,
            tenant.queued,
            self._served.of_tenant(*name),
            waits.get(policy.tenant_id, 0.0),
            self._finished.of_tenant(*name),
            self._ran_ms.of_tenant(*name) / MS,
        )

    def _groups(self, tenants: Sequence[Running], waits: Mapping[str, float]) -> tuple[GroupLoad, ...]:
        served, finished, ran_ms = self._served.of_groups(), self._finished.of_groups(), self._ran_ms.of_groups()
        oldest: dict[str, float] = {}
        for tenant in tenants:
            group = tenant.policy.fairshare_group
            oldest[group] = max(oldest.get(group, 0.0), waits.get(tenant.policy.tenant_id, 0.0))
        return tuple(
            GroupLoad(
                name,
                count,
                queued,
                None,
                served.get(name, 0),
                oldest[name],
                finished.get(name, 0),
                ran_ms.get(name, 0) / MS,
            )
            for name, count, queued in by_group(tenants)[:MAX_GROUPS]
        )
