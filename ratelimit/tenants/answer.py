"""What a client is told: OpenAI-shaped errors and the `x-ratelimit-*` headers.  Pure; no I/O, no protobuf."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ratelimit.budgets.budget import full_in_ms
from ratelimit.budgets.port import Decision, Refused
from ratelimit.tenants.account import IN_FLIGHT, Account
from ratelimit.tenants.screening import Rejected
from tenancy.values.limit import Scope, Unit
from tenancy.values.prices import MICRO

Header = tuple[str, str]
HEADERS = {
    unit: tuple(f"x-ratelimit-{what}-{unit.replace('_', '-')}" for what in ("limit", "remaining", "reset"))
    for unit in Unit
}
CONTENT_TYPE: Header = ("content-type", "application/json")
SUBJECTS = {
    Scope.TENANT: "this tenant",
    Scope.USER: "this user",
    Scope.KEY: "this API key",
    Scope.MODEL: "this model",
    Scope.GROUP: "this group of tenants",
}
ERROR_TYPES = {400: "invalid_request_error", 403: "permission_error", 404: "invalid_request_error", 503: "server_error"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`status` is the one the client gets; `limit` names what bound, "" if no limit did."""

    status: int
    body: bytes
    headers: tuple[Header, ...]
    limit: str = ""


def rejection(rejected: Rejected) -> Refusal:
    body = _error(rejected.message, ERROR_TYPES[rejected.status], rejected.param, rejected.code)
    return Refusal(rejected.status, body, (CONTENT_TYPE,))


def unavailable() -> Refusal:
    """The budgets cannot be asked, and the failure mode is `deny`."""
    body = _error("The rate limit service is not available at the moment.", "server_error", None, "unavailable")
    return Refusal(503, body, (CONTENT_TYPE, ("retry-after", "1")))


def over_capacity(bound: str) -> Refusal:
    """As many requests are in flight as may be; not the tenant's doing.  Slots come free all the time."""
    message = "The service is at capacity: too many requests are in flight. Please try again in 1s."
    body = _error(message, "capacity", None, "capacity_exceeded")
    return Refusal(429, body, (CONTENT_TYPE, ("retry-after", "1")), bound)


def over_limit(account: Account, refused: Refused, costs: Sequence[int], now_ms: int = 0) -> Refusal:
    """429 for a request of those costs."""
    headers = [CONTENT_TYPE, *rate_headers(account, refused, now_ms)]
    if refused.wait_ms is not None:
        headers.append(("retry-after", str(max(1, -(-refused.wait_ms // 1000)))))
    return Refusal(429, _over_limit_body(account, refused, costs), tuple(headers), refused.limit)


def rate_headers(account: Account, decision: Decision, now_ms: int = 0) -> list[Header]:
    """Limit, remaining and reset of each unit that is limited; of several limits the one that bound, or has least left.
    `now_ms` counts only for windows."""
    headers: list[Header] = []
    if not decision.held:
        return headers
    rules = account.rule_set.rules
    bound = decision.limit if isinstance(decision, Refused) else ""
    for unit, indexes in account.by_unit:
        index = indexes[0] if len(indexes) == 1 else _tightest(account, indexes, decision.held, bound)
        rule, held = rules[index], decision.held[index]
        limit, remaining, reset = HEADERS[unit]
        headers.append((limit, shown(unit, rule.capacity)))
        headers.append((remaining, shown(unit, held) if held > 0 else "0"))
        headers.append((reset, duration(full_in_ms(rule, held=held, now_ms=now_ms))))
    return headers


def shown(unit: Unit, amount: int) -> str:
    """An amount as people read it: cost in the currency, everything else as a count."""
    if unit is not Unit.COST:
        return str(amount)
    text = f"{amount / MICRO:.6f}"
    return text.rstrip("0").rstrip(".")


def duration(ms: int) -> str:
    """As OpenAI writes `x-ratelimit-reset-*`: `20ms`, `1.5s`, `6m0s`, `1h0m12s`; whole seconds from a minute on."""
    if ms < 1000:
        return f"{ms}ms"
    if ms < 60_000:
        return f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(-(-ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"


def _tightest(account: Account, indexes: Sequence[int], held: Sequence[int], bound: str) -> int:
    if not bound:
        return min(indexes, key=held.__getitem__)
    return min(indexes, key=lambda i: (account.rule_set.rules[i].name != bound, held[i]))


def _over_limit_body(account: Account, refused: Refused, costs: Sequence[int]) -> bytes:
    code, wait = "rate_limit_exceeded", _wait_text(refused.wait_ms)
    if refused.limit == IN_FLIGHT:
        most = account.policy.max_in_flight
        return _error(f"Too many requests of this tenant are in flight (limit {most}).{wait}", "requests", None, code)
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
    return _error(message, str(limit.unit), None, code)


def _wait_text(wait_ms: int | None) -> str:
    if wait_ms is None:
        return " It can never fit: lower max_tokens or shorten the input."
    return f" Please try again in {duration(wait_ms)}."


def _error(message: str, kind: str, param: str | None, code: str) -> bytes:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}, separators=(",", ":")).encode()
