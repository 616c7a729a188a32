"""What a client is told: why its request may not run, when to try again, and what is left of its limits.

Owns the wording.  The shape in the client's own API is in clients/. Pure; no I/O, no protobuf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from clients.api import Api
from clients.errors import Fault, Header, body_of, headers_of, retry_headers
from clients.rates import Level, RateHeaders, duration, rate_headers
from ratelimit.budgets.budget import full_in_ms
from ratelimit.budgets.port import Decision, Refused
from ratelimit.fairness.floor import Full
from ratelimit.tenants.account import KEY_IN_FLIGHT, MS_PER_SECOND, SLOTS, Account, shown
from ratelimit.tenants.screening import Rejected
from tenancy.values.limit import Scope, Unit

SUBJECTS = {
    Scope.TENANT: "this tenant",
    Scope.USER: "this user",
    Scope.KEY: "this API key",
    Scope.MODEL: "this model",
    Scope.GROUP: "this group of tenants",
}
# OpenAI's error types, by status.
TYPES = {400: "invalid_request_error", 403: "permission_error", 404: "invalid_request_error", 503: "server_error"}
SOON_MS = 1000  # when to try again if only a moment is missing
UNAVAILABLE = Fault(
    503, "The rate limit service is not available at the moment.", "server_error", "unavailable", wait_ms=SOON_MS
)
# Refusals for which the tenant is not to blame.
AT_CAPACITY = "The service is at capacity: "
# Error code and message, by why there is no room.
FULL = {
    "no_queue": ("capacity_exceeded", "too many requests are in flight."),
    "queue_full": ("queue_full", "too many requests wait already."),
    "tenant_queue_full": ("queue_full", "too many requests of this tenant wait already."),
    "too_long": ("queue_timeout", "the request would have to wait for too long."),
}

# What a refusal is counted as, by its code.
REJECTED = {
    "invalid_body": "invalid_body",
    "model_required": "model_not_allowed",
    "model_not_allowed": "model_not_allowed",
    "model_not_found": "model_not_found",
    "model_unpriced": "model_unpriced",
    "unknown_url": "route_refused",
    "route_refused": "route_refused",
    "models_unavailable": "unavailable",
    "server_not_found": "server_not_found",
    "tool_not_allowed": "tool_not_allowed",
    "invalid_message": "invalid_body",
    "invalid_params": "invalid_body",
    "invalid_method": "route_refused",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status` is the client's; `limit` names the limit that refused, "" if none did."""

    status: int
    body: bytes
    headers: tuple[Header, ...]
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """An operator's choice of how clients are told.  `max_retry_seconds` bounds the delay that a client is asked
    for."""

    rate_headers: RateHeaders = RateHeaders.VENDOR
    max_retry_seconds: int = 60

    def refusal(self, fault: Fault, api: Api, limit: str = "", rates: Sequence[Header] = ()) -> Refusal:
        headers = (*headers_of(fault, api), *rates, *retry_headers(fault.wait_ms, self.max_retry_seconds))
        return Refusal(fault.status, body_of(fault, api), headers, limit)

    def over_limit(
        self, account: Account, refused: Refused, costs: Sequence[int], api: Api, now_ms: int = 0
    ) -> Refusal:
        """429 for a request with these costs."""
        rates = self.levels(account, refused, api, now_ms)
        return self.refusal(over_limit(account, refused, costs), api, refused.limit, rates)

    def levels(self, account: Account, decision: Decision, api: Api, now_ms: int = 0) -> list[Header]:
        """The headers with what is left.  `now_ms` counts for windows and for resets that are times."""
        return rate_headers(levels_of(account, decision, now_ms), api, self.rate_headers, now_ms)


def fault_of(rejected: Rejected) -> Fault:
    wait_ms = SOON_MS if rejected.status == UNAVAILABLE.status else None
    return Fault(rejected.status, rejected.message, TYPES[rejected.status], rejected.code, rejected.param, wait_ms)


def fault_of_full(full: Full) -> Fault:
    """429 if nothing waits here, because the next request may find room; else 503, to be retried at the queue's own
    pace."""
    wait_ms = ceil(full.retry_seconds) * MS_PER_SECOND
    code, words = FULL[full.why]
    status = 429 if full.why == "no_queue" else 503
    return Fault(status, f"{AT_CAPACITY}{words}{_wait_text(wait_ms)}", "capacity", code, wait_ms=wait_ms)


def over_limit(account: Account, refused: Refused, costs: Sequence[int]) -> Fault:
    code, wait = "rate_limit_exceeded", _wait_text(refused.wait_ms)
    if refused.limit in SLOTS:
        policy, is_key = account.policy, refused.limit == KEY_IN_FLIGHT
        whose, most = ("key", policy.key_max_in_flight) if is_key else ("tenant", policy.max_in_flight)
        message = f"Too many requests of this {whose} are in flight (limit {most}).{wait}"
        return Fault(429, message, "requests", code, wait_ms=refused.wait_ms)
    index = next(i for i, rule in enumerate(account.rule_set.rules) if rule.name == refused.limit)
    limit = account.limits[index]
    if refused.wait_ms is None:
        code = code if limit.unit is Unit.REQUESTS else "request_too_large"
    unit = limit.unit
    window = f"{limit.window_seconds} s" if limit.calendar is None else f"{limit.calendar}"
    message = (
        f"Rate limit reached for {SUBJECTS[limit.scope]} on {unit.replace('_', ' ')} per {window} ({limit.name}): "
        f"limit {shown(unit, limit.amount)}, remaining {shown(unit, max(0, refused.held[index]))}, requested "
        f"{shown(unit, costs[index])}.{wait}"
    )
    return Fault(429, message, str(unit), code, wait_ms=refused.wait_ms)


def levels_of(account: Account, decision: Decision, now_ms: int = 0) -> list[Level]:
    """One level for each limited unit; of several limits the one that refused, or has the least left."""
    levels: list[Level] = []
    if not decision.held:
        return levels
    rules = account.rule_set.rules
    bound = decision.limit if isinstance(decision, Refused) else ""
    for unit, indexes in account.by_unit:
        index = indexes[0] if len(indexes) == 1 else _tightest(account, indexes, decision.held, bound)
        held = decision.held[index]
        reset_ms = full_in_ms(rules[index], held=held, now_ms=now_ms)
        levels.append((account.rates[index], shown(unit, held) if held > 0 else "0", reset_ms))
    return levels


def _tightest(account: Account, indexes: Sequence[int], held: Sequence[int], bound: str) -> int:
    if not bound:
        index = indexes[0]
        for other in indexes:
            if held[other] < held[index]:
                index = other
        return index
    return min(indexes, key=lambda i: (account.rule_set.rules[i].name != bound, held[i]))


def _wait_text(wait_ms: int | None) -> str:
    if wait_ms is None:
        return " It can never fit: lower max_tokens or shorten the input."
    return f" Please try again in {duration(wait_ms)}."
