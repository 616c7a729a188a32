"""An account: what one policy means for budgets, computed once for each policy instead of each request.  Pure; no I/O.

Here limits become rules.  Finding a request's account is in account_cache.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from clients.rates import Rate
from ratelimit.budgets.keys import budget_key
from ratelimit.budgets.rule import BUCKET, FIXED, MONEY, ONE, PLAIN, SCALE, SLIDING, Counts, Leases, Rule, RuleSet
from ratelimit.tenants.estimates.cost import Dearest, dearest_of, estimated_cost
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.lease import kept_of_all
from tenancy.values.calendar import bounds
from tenancy.values.limit import FULL_WEIGHT, Kind, Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import FREE, MICRO, Prices

# The names under which `max_in_flight` of the tenant and of the key bind.
IN_FLIGHT, KEY_IN_FLIGHT = "tenant:in_flight", "key:in_flight"
SLOTS = (IN_FLIGHT, KEY_IN_FLIGHT)
FOREVER_MS = 2**63
# Looking up a member of an enumeration through its class costs ten times as much.
REQUESTS, TOKENS, COST, INPUT_TOKENS = Unit.REQUESTS, Unit.TOKENS, Unit.COST, Unit.INPUT_TOKENS
MS_PER_SECOND = 1000
KINDS = {Kind.BUCKET: BUCKET, Kind.FIXED: FIXED, Kind.SLIDING: SLIDING}


@dataclass(frozen=True, slots=True)
class Account:
    """A policy with the rules of its limits, in the policy's order.

    `limits`: those that have rules.  `by_unit`: for each limited unit, the indexes of the limits that count it and may
    refuse.  `smallest`: the least capacity of a token budget, None without one.  `head`: the serialized beginning of
    every answer to its requests.
    """

    policy: Policy
    limits: tuple[Limit, ...]
    rule_set: RuleSet
    by_unit: tuple[tuple[Unit, tuple[int, ...]], ...]
    smallest: int | None
    until_ms: int  # when a window of the calendar ends
    head: bytes = b""
    prices: tuple[Dearest, ...] = ()
    rates: tuple[Rate, ...] = ()  # of the limits, as clients are shown them
    counts_tokens: tuple[bool, ...] | None = None  # which of the limits do, if the others count requests; else None

    @staticmethod
    def of(
        policy: Policy,
        now_ms: int = 0,
        model: str = "",
        prices: Prices | None = None,
        *,
        groups: bool = True,
        head: bytes = b"",
        within: str = "",
    ) -> "Account":
        """The account for requests for `model` at `now_ms`; both matter only if the policy has such limits.  `within`:
        what the model is a part of.  `groups`: whether one script can reach a group's budget and the tenant's; if not,
        each tenant has the group's amount for itself.  Raises tenancy.values.calendar.UnknownTimeZone."""
        limits = tuple(
            limit for limit in policy.limits if limit.scope is not Scope.MODEL or limit.subject in (model, within)
        )
        rules = [rule_of(policy.tenant_id, limit, now_ms, prices, groups=groups) for limit in limits]
        token_amounts = (each.amount for each in limits if each.unit is Unit.TOKENS and not each.shadow)
        return Account(
            policy=policy,
            limits=limits,
            rule_set=RuleSet.of(policy.tenant_id, rules, leases_of(policy)),
            by_unit=tuple((unit, indexes) for unit in Unit if (indexes := _counting(unit, limits))),
            smallest=min(token_amounts, default=None),
            until_ms=min((rule.bounds[1] for rule in rules if rule.bounds is not None), default=FOREVER_MS),
            head=head,
            prices=dearest_of(prices) if any(limit.unit is Unit.COST for limit in limits) else (),
            rates=tuple(
                Rate.of(limit.unit.replace("_", "-"), shown(limit.unit, limit.amount), limit.window_seconds)
                for limit in limits
            ),
            counts_tokens=tuple(limit.unit is TOKENS for limit in limits) if all(map(_is_plain, limits)) else None,
        )

    @property
    def spends(self) -> bool:
        """Whether a limit on cost may refuse its requests."""
        return any(unit is COST for unit, _ in self.by_unit)

    def costs(self, estimate: Estimate) -> list[int]:
        """The estimated cost by each rule."""
        if self.counts_tokens is not None:
            tokens = estimate.tokens
            return [tokens if counts else 1 for counts in self.counts_tokens]
        prices = self.prices
        return [
            _cost(limit, rule, estimate, prices) for limit, rule in zip(self.limits, self.rule_set.rules, strict=True)
        ]


def leases_of(policy: Policy) -> Leases:
    return Leases(IN_FLIGHT, policy.max_in_flight, kept_of_all(policy), policy.key_max_in_flight, KEY_IN_FLIGHT)


def shown(unit: Unit, amount: int) -> str:
    """An amount for people: cost in the currency, everything else as a count."""
    if unit is not COST:
        return str(amount)
    text = f"{amount / MICRO:.6f}"
    return text.rstrip("0").rstrip(".")


def rule_of(tenant_id: str, limit: Limit, now_ms: int, prices: Prices | None = None, *, groups: bool = True) -> Rule:
    """How the limit counts this tenant's requests; see Account.of."""
    # No tenant's id has a colon.
    owner = f"group:{limit.subject}" if limit.scope is Scope.GROUP and groups else tenant_id
    shape, within = f"{KINDS[limit.kind]}{limit.window_seconds * MS_PER_SECOND}", None
    if limit.kind is Kind.FIXED and limit.calendar is not None:
        shape = f"{FIXED}{limit.calendar}/{limit.time_zone}"
        within = bounds(limit.calendar, limit.time_zone, now_ms)
    key = budget_key(owner, limit.budget_name)
    return Rule(key, shape, limit.amount, counts_of(limit, prices), within, limit.name, limit.shadow)


def counts_of(limit: Limit, prices: Prices | None) -> Counts:
    """How the limit counts what a request used; `prices` are those of its model."""
    if limit.unit is Unit.REQUESTS:
        return ONE
    if limit.unit is Unit.COST:
        each = (prices or FREE).standard.in_millionths()
        return each.input, each.output, each.cached - each.input, each.reasoning - each.output, MONEY
    if limit.unit is Unit.TOKENS and (limit.cached_weight, limit.reasoning_weight) == (FULL_WEIGHT, FULL_WEIGHT):
        return PLAIN
    if limit.unit not in (Unit.TOKENS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS):
        assert_never(limit.unit)
    percent = SCALE // FULL_WEIGHT
    input_ = 0 if limit.unit is Unit.OUTPUT_TOKENS else SCALE
    output = 0 if limit.unit is Unit.INPUT_TOKENS else SCALE
    cached = (limit.cached_weight - FULL_WEIGHT) * percent if input_ else 0
    return input_, output, cached, (limit.reasoning_weight - FULL_WEIGHT) * percent if output else 0


def _cost(limit: Limit, rule: Rule, estimate: Estimate, prices: Sequence[Dearest]) -> int:
    """Without an output cap the cost is clamped to the capacity; otherwise the request could never be admitted.  (The
    tokens of its estimate already fit the smallest budget that can refuse.)"""
    unit = limit.unit
    if unit is REQUESTS:
        return 1
    if unit is TOKENS:
        if not limit.shadow:
            return estimate.tokens
        cost = estimate.tokens
    elif unit is COST:
        cost = estimated_cost(prices, estimate)
    else:
        cost = estimate.input_tokens if unit is INPUT_TOKENS else estimate.output_tokens
    return cost if estimate.output_cap else min(cost, rule.capacity)


def _is_plain(limit: Limit) -> bool:
    """Whether it costs the tokens of the estimate, or one request, whatever they are."""
    return limit.unit is REQUESTS or (limit.unit is TOKENS and not limit.shadow)


def _counting(unit: Unit, limits: Sequence[Limit]) -> tuple[int, ...]:
    return tuple(i for i, limit in enumerate(limits) if limit.unit is unit and not limit.shadow)
