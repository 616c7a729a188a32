"""An account: what one policy means for budgets, worked out once per policy and not per request.  Pure; no I/O.

Which account a request has is found in accounts.py.
"""

import json
from dataclasses import dataclass

from ratelimit.budgets.meter import Meter, Used, counts_of, dump_meters, shape_of, weighed
from ratelimit.tenants.estimate import Estimate
from tenancy.redis.names import redis_key_budget, redis_key_group_budget, redis_key_leases
from tenancy.values.calendar import bounds
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices

FOREVER_MS = 2**63


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit with its meter."""

    limit: Limit
    meter: Meter

    @property
    def capacity(self) -> int:
        return self.meter.capacity

    def cost(self, estimate: Estimate) -> int:
        """What a request takes from it before anybody knows."""
        unit = self.limit.unit
        if unit is Unit.TOKENS and not self.limit.shadow:
            return estimate.tokens
        return 1 if unit is Unit.REQUESTS else self._cost(estimate)

    def _cost(self, estimate: Estimate) -> int:
        """A request that names no bound fits the full budget: it must not be refused for ever.  (The tokens of its
        estimate are within the least budget that can refuse already.)"""
        if self.limit.unit is Unit.TOKENS:
            cost = estimate.tokens
        elif self.limit.unit is Unit.COST and not isinstance(self.meter.counts, int):
            cost = weighed(self.meter.counts, Used(estimate.input_tokens, estimate.output_tokens))
        else:
            cost = estimate.input_tokens if self.limit.unit is Unit.INPUT_TOKENS else estimate.output_tokens
        return cost if estimate.output_cap else min(cost, self.meter.capacity)


@dataclass(frozen=True, slots=True)
class Account:
    """A policy with the buckets of its limits, in the policy's order.

    `by_unit`: the indexes of the buckets that count the same and may refuse, for each unit that has one.  `smallest` is
    the least that any token budget holds, None without one.  `charges` is the meters as JSON, for a request that must
    be charged without a lease.  `lease_head` is the part of a stored lease that is the same for every request, as an
    open JSON object.  `rules` is what a reservation tells of each bucket (`lua/reserve.lua`).
    """

    policy: Policy
    buckets: tuple[Bucket, ...]
    by_unit: tuple[tuple[Unit, tuple[int, ...]], ...]
    leases_key: str
    smallest: int | None
    charges: str
    lease_head: str
    keys: tuple[str, ...]
    rules: tuple[str | int, ...]
    until_ms: int  # when a window of the calendar ends

    @property
    def meters(self) -> tuple[Meter, ...]:
        return tuple(bucket.meter for bucket in self.buckets)

    @staticmethod
    def of(
        policy: Policy, now_ms: int = 0, model: str = "", prices: Prices | None = None, *, groups: bool = True
    ) -> "Account":
        """For requests for `model` at `now_ms`, which count only if the policy has such limits.  `groups`: whether one
        script can reach a group's budget and the tenant's; if not, each tenant has the group's amount for itself.
        tenancy.values.calendar.UnknownTimeZone."""
        limits = [limit for limit in policy.limits if limit.scope is not Scope.MODEL or limit.subject == model]
        buckets = tuple(
            Bucket(limit, meter_of(policy.tenant_id, limit, now_ms, prices, groups=groups)) for limit in limits
        )
        charges = dump_meters([bucket.meter for bucket in buckets])
        fixed = {"key_id": policy.key_id, "user_id": policy.user_id}
        head = json.dumps(fixed, separators=(",", ":"))[:-1]
        max_in_flight = policy.max_in_flight
        return Account(
            policy=policy,
            buckets=buckets,
            by_unit=tuple((unit, indexes) for unit in Unit if (indexes := _counting(unit, buckets))),
            leases_key=redis_key_leases(policy.tenant_id),
            smallest=_smallest(buckets),
            charges=charges,
            lease_head=f'{head},"budgets":{charges}',
            keys=(redis_key_leases(policy.tenant_id), *(bucket.meter.key for bucket in buckets)),
            rules=(
                -1 if max_in_flight is None else max_in_flight,
                len(buckets),
                *(field for bucket in buckets for field in _rule(bucket)),
            ),
            until_ms=min((b.meter.bounds.second for b in buckets if b.meter.bounds is not None), default=FOREVER_MS),
        )


def meter_of(tenant_id: str, limit: Limit, now_ms: int, prices: Prices | None = None, *, groups: bool = True) -> Meter:
    """How the limit counts this tenant's requests; see Account.of."""
    if limit.scope is Scope.GROUP and groups:
        key = redis_key_group_budget(limit.subject, limit.budget_name)
    else:
        key = redis_key_budget(tenant_id, limit.budget_name)
    calendar = limit.calendar if limit.kind is Kind.FIXED else None
    within = None if calendar is None else bounds(calendar, limit.time_zone, now_ms)
    return Meter(key, shape_of(limit), limit.amount, counts_of(limit, prices), within)


def _rule(bucket: Bucket) -> tuple[str | int, ...]:
    """Shape, capacity, flags, and perhaps the bounds of a calendar."""
    meter = bucket.meter
    flags = int(bucket.limit.shadow) + (0 if meter.bounds is None else 2)
    return meter.shape, meter.capacity, flags, *(meter.bounds or ())


def _smallest(buckets: tuple[Bucket, ...]) -> int | None:
    binding = (bucket for bucket in buckets if bucket.limit.unit is Unit.TOKENS and not bucket.limit.shadow)
    return min((bucket.capacity for bucket in binding), default=None)


def _counting(unit: Unit, buckets: tuple[Bucket, ...]) -> tuple[int, ...]:
    return tuple(i for i, each in enumerate(buckets) if each.limit.unit is unit and not each.limit.shadow)
