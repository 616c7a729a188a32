"""The port's implementations as the tests see them: budgets, and a way to let time pass."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import redis

from ratelimit.budgets.memory import MemoryBudgets
from ratelimit.budgets.port import Budgets, Reservation
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.scripts import Script
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimate import Estimate
from store.redis import open_redis
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices

LEASE_SECONDS = 600.0
DAY_SECONDS = 86_400
BEGIN_MS = 1_795_230_000_000  # within a window of 10^9 s, and of every calendar
CLOCK = "test:now_ms"
REAL_TIME = "redis.call('TIME')"
TEST_TIME = f"{{0, redis.call('GET', '{CLOCK}') * 1000}}"
_ids = itertools.count()


@dataclass(frozen=True)
class Store:
    """`advance(ms)`: that much later for the budgets and leases."""

    budgets: Budgets
    advance: Callable[[int], None]


def memory_store() -> Store:
    now_ms = [BEGIN_MS]

    def advance(ms: int) -> None:
        now_ms[0] += ms

    return Store(MemoryBudgets(lambda: now_ms[0], LEASE_SECONDS), advance)


def redis_store(url: str, timeout: float = 1.0) -> Store:
    """With the scripts at a clock that stands still until it is advanced; all else is as it runs."""
    client = redis.Redis.from_url(url)
    client.set(CLOCK, BEGIN_MS)
    budgets = RedisBudgets(partial(open_redis, url, timeout=timeout), LEASE_SECONDS, timeout=timeout)
    budgets._reserve, budgets._settle = at_test_clock(budgets._reserve), at_test_clock(budgets._settle)
    budgets._peek, budgets._orphans = at_test_clock(budgets._peek), at_test_clock(budgets._orphans)

    def advance(ms: int) -> None:
        client.incrby(CLOCK, ms)

    return Store(budgets, advance)


def at_test_clock(script: Script) -> Script:
    assert script.source.count(REAL_TIME) == 1
    return Script.of(script.source.replace(REAL_TIME, TEST_TIME))


def tokens(amount: int, scope: Scope = Scope.TENANT, window_seconds: int = DAY_SECONDS, subject: str = "") -> Limit:
    return Limit(scope, Unit.TOKENS, amount, window_seconds, subject)


def requests(amount: int, scope: Scope = Scope.TENANT, window_seconds: int = DAY_SECONDS, subject: str = "") -> Limit:
    return Limit(scope, Unit.REQUESTS, amount, window_seconds, subject)


def account(
    *limits: Limit,
    tenant_id: str = "acme",
    max_in_flight: int | None = None,
    now_ms: int = 0,
    model: str = "m",
    prices: Prices | None = None,
) -> Account:
    policy = Policy(tenant_id, "key-1", user_id="u", max_in_flight=max_in_flight, limits=limits)
    return Account.of(policy, now_ms, model, prices)


def reservation(of: Account, cost: int | Estimate, lease_id: str = "") -> Reservation:
    """A cost is all output."""
    estimate = Estimate(cost, 1, cost) if isinstance(cost, int) else cost
    return Reservation(lease_id or f"lease-{next(_ids)}", of, estimate, model="m", path="/v1/x")
