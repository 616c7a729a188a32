"""The port's implementations as the tests see them: budgets, a look at them, and a way to let time pass."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import redis

from ratelimit.budgets.control_redis import peek_step, peeked
from ratelimit.budgets.jobs import Jobs
from ratelimit.budgets.jobs_redis import RedisJobs
from ratelimit.budgets.port import Budgets, Reservation
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.scripts import Script
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from ratelimit.tenants.lease import kept_of_one
from store.redis import open_redis
from tenancy.values.limit import Limit, Scope, Unit
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices
from tests.ratelimit.memory import MemoryBudgets
from tests.ratelimit.memory_jobs import MemoryJobs

LEASE_SECONDS = 600.0
DAY_SECONDS = 86_400
JOB_MS = 30 * DAY_SECONDS * 1000
BEGIN_MS = 1_795_230_000_000  # within a window of 10^9 s, and of every calendar
CLOCK = "test:now_ms"
REAL_TIME = "redis.call('TIME')"
TEST_TIME = f"{{0, redis.call('GET', '{CLOCK}') * 1000}}"
PEEK = Script.read("budget", "peek")
_ids = itertools.count()


@dataclass(frozen=True)
class Store:
    """`advance(ms)`: that much later for the budgets and leases.  `peek`: what each of an account's budgets holds."""

    budgets: Budgets
    jobs: Jobs
    advance: Callable[[int], None]
    peek: Callable[[Account], list[int]]


def memory_store() -> Store:
    now_ms = [BEGIN_MS]

    def advance(ms: int) -> None:
        now_ms[0] += ms

    budgets = MemoryBudgets(lambda: now_ms[0], LEASE_SECONDS)
    jobs = MemoryJobs(budgets, lambda: now_ms[0], JOB_MS)
    return Store(budgets, jobs, advance, lambda of: budgets.held(of.rule_set.rules))


def redis_store(url: str, timeout: float = 1.0) -> Store:
    """With the scripts at a clock that stands still until it is advanced; all else is as it runs."""
    client = redis.Redis.from_url(url)
    client.set(CLOCK, BEGIN_MS)
    budgets = RedisBudgets(partial(open_redis, url, timeout=timeout), LEASE_SECONDS, timeout=timeout)
    budgets._reserve, budgets._settle = at_test_clock(budgets._reserve), at_test_clock(budgets._settle)
    budgets._orphans = at_test_clock(budgets._orphans)
    budgets._renewing, budgets._running = at_test_clock(budgets._renewing), at_test_clock(budgets._running)
    jobs = RedisJobs(partial(open_redis, url, timeout=timeout), JOB_MS / 1000)
    jobs._hold, jobs._report = at_test_clock(jobs._hold), at_test_clock(jobs._report)

    def advance(ms: int) -> None:
        client.incrby(CLOCK, ms)

    return Store(budgets, jobs, advance, partial(peek, client, script=at_test_clock(PEEK)))


def at_test_clock(script: Script) -> Script:
    assert script.source.count(REAL_TIME) == 1
    return Script.of(script.source.replace(REAL_TIME, TEST_TIME))


def peek(client: "redis.Redis | redis.RedisCluster", of: Account, script: Script = PEEK) -> list[int]:
    """What each of the account's budgets holds."""
    step = peek_step(of.rule_set.rules)
    return [each.held for each in peeked(client.eval(script.source, len(step.keys), *step.keys, *step.arguments))]


def peek_at(url: str, of: Account) -> list[int]:
    client = open_redis(url, timeout=1.0)
    try:
        return peek(client, of)
    finally:
        client.close()


def tokens(amount: int, scope: Scope = Scope.TENANT, window_seconds: int = DAY_SECONDS, subject: str = "") -> Limit:
    return Limit(scope, Unit.TOKENS, amount, window_seconds, subject)


def requests(amount: int, scope: Scope = Scope.TENANT, window_seconds: int = DAY_SECONDS, subject: str = "") -> Limit:
    return Limit(scope, Unit.REQUESTS, amount, window_seconds, subject)


def account(
    *limits: Limit,
    tenant_id: str = "acme",
    max_in_flight: int | None = None,
    key_max_in_flight: int | None = None,
    now_ms: int = 0,
    model: str = "m",
    prices: Prices | None = None,
) -> Account:
    policy = Policy(
        tenant_id,
        "key-1",
        user_id="u",
        max_in_flight=max_in_flight,
        limits=limits,
        key_max_in_flight=key_max_in_flight,
    )
    return Account.of(policy, now_ms, model, prices)


def reservation(of: Account, cost: int | Estimate, lease_id: str = "") -> Reservation:
    """A cost is all output."""
    estimate = Estimate(cost, 1, cost) if isinstance(cost, int) else cost
    keeps = kept_of_one(estimate, "", "m", "/v1/x")
    return Reservation(of.rule_set, of.costs(estimate), lease_id or f"lease-{next(_ids)}", keeps)
