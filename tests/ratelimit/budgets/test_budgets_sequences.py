"""Random histories: memory and Redis agree at every step, and what must always hold does.

Both are at a clock that stands still until it is advanced.
"""

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratelimit.budgets.port import Admitted, Budgets, LeaseName, Settled, Settlement
from ratelimit.budgets.rule import MOST_COST, UNKNOWN, Used
from ratelimit.tenants.account import Account
from ratelimit.tenants.estimates.estimate import Estimate
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.prices import Prices
from tests.ratelimit.stores import BEGIN_MS, Store, account, memory_store, redis_store, reservation

WINDOW_SECONDS = 10**9

Step = tuple[object, ...]
# Each history begins with an empty Redis of its own making.
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

amounts = st.integers(1, 500)


def limits_of(tenant: int, key: int, slow_requests: int) -> tuple[Limit, ...]:
    return (
        Limit(Scope.TENANT, Unit.TOKENS, tenant, WINDOW_SECONDS),
        Limit(Scope.KEY, Unit.TOKENS, key, WINDOW_SECONDS, "key-1"),
        Limit(Scope.TENANT, Unit.REQUESTS, slow_requests, WINDOW_SECONDS),
    )


accounts = st.builds(
    lambda tenant, key, some_requests, slots, of_key: account(
        *limits_of(tenant, key, some_requests), max_in_flight=slots, key_max_in_flight=of_key
    ),
    amounts,
    amounts,
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 4)),
)
leases = st.sampled_from([f"l{n}" for n in range(8)])
steps = st.one_of(
    st.tuples(st.just("reserve"), st.lists(st.tuples(st.integers(0, 1), st.integers(0, 300)), min_size=1, max_size=4)),
    st.tuples(st.just("settle"), leases, st.integers(0, 600)),
    st.tuples(st.just("direct"), leases, st.integers(0, 600)),
    st.tuples(st.just("release"), leases),
    st.tuples(st.just("advance"), st.sampled_from([1, 10**9, 10**11, 10**12])),
    st.tuples(st.just("orphans")),
)


@given(pair=st.tuples(accounts, accounts), history=st.lists(steps, max_size=25))
@settings(max_examples=60, suppress_health_check=SUPPRESSED)
def test_memory_and_redis_agree(
    redis_url: str, pair: tuple[Account, Account], history: list[tuple[object, ...]]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    memory, real = memory_store(), redis_store(redis_url)
    counter = iter(range(1000))
    for step in history:
        names = [f"l{next(counter) % 8}-{n}" for n in range(4)]
        results = [play(store, step, pair, names) for store in (memory, real)]
        assert results[0] == results[1], step
        for of in pair:
            levels = [store.peek(of) for store in (memory, real)]
            assert levels[0] == levels[1], step
            assert all(level <= rule.capacity for level, rule in zip(levels[0], of.rule_set.rules, strict=True))


def play(store: Store, step: Step, pair: tuple[Account, Account], names: list[str]) -> object:
    budgets = store.budgets
    match step:
        case ("reserve", list() as wanted):
            batch = [reservation(pair[which], cost, name) for name, (which, cost) in zip(names, wanted, strict=False)]
            return [*budgets.reserve(batch)]
        case ("settle", str() as lease, int() as used):
            return [end(budgets, Settlement("acme", f"{lease}-{n}", Used(used))) for n in range(4)]
        case ("direct", str() as lease, int() as used):
            return end(budgets, Settlement("acme", f"{lease}-0", Used(used), True, pair[0].rule_set.rules))
        case ("release", str() as lease):
            return budgets.release([LeaseName("acme", f"{lease}-0")])
        case ("advance", int() as ms):
            store.advance(ms)
            return None
        case _:
            return sorted(
                (orphan.owner, orphan.lease_id, sorted(orphan.kept.items()))
                for _ in range(3)
                for orphan in budgets.orphans(100)
            )


def end(budgets: Budgets, settlement: Settlement) -> Settled:
    (settled,) = budgets.settle([settlement])
    return settled


HOUR_MS = 3_600_000
anything = st.builds(
    Limit,
    scope=st.sampled_from([Scope.TENANT, Scope.GROUP]),
    unit=st.sampled_from(Unit),
    amount=st.integers(1, 400),
    window_seconds=st.sampled_from([60, 3600, 86_400]),
    subject=st.just("g"),
    id=st.sampled_from(["lim_1", "lim_2", "lim_3"]),  # the same one again: a limit that was changed
    kind=st.sampled_from(Kind),
    calendar=st.sampled_from([None, Calendar.HOUR, Calendar.DAY, Calendar.MONTH]),
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata"]),
    cached_weight=st.sampled_from([100, 10]),
    reasoning_weight=st.sampled_from([100, 250]),
    shadow=st.booleans(),
)
estimates = st.builds(Estimate, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 99))
costs = st.one_of(st.just(UNKNOWN), st.integers(0, 400), st.integers(MOST_COST - 9, MOST_COST))
uses = st.builds(Used, *(st.integers(50, 300) for _ in range(2)), *(st.integers(0, 50) for _ in range(2)), costs)
events = st.one_of(
    # One account a batch: of a limit that is just changing shape, what a batch sees is the shape that it has first.
    st.tuples(st.just("reserve"), st.integers(0, 2), st.lists(estimates, min_size=1, max_size=3)),
    st.tuples(st.just("settle"), st.integers(0, 9), uses),
    st.tuples(st.just("direct"), st.integers(0, 2), uses),
    st.tuples(st.just("release"), st.integers(0, 9)),
    st.tuples(st.just("advance"), st.sampled_from([1, 999, 60_000, HOUR_MS // 3, HOUR_MS, 23 * HOUR_MS])),
)
policies = st.lists(anything, max_size=4, unique_by=lambda limit: (limit.scope, limit.id))


@given(each=st.tuples(policies, policies, policies), history=st.lists(events, max_size=30))
@settings(max_examples=150, suppress_health_check=SUPPRESSED)
def test_memory_and_redis_agree_on_limits_of_every_kind_that_change(
    redis_url: str, each: tuple[list[Limit], ...], history: list[Step]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    prices = Prices.of_millionths(500_000, 2_000_000, 1)
    pairs = zip(("t0", "t1", "t0"), each, strict=True)
    accounts = [account(*limits, tenant_id=of, now_ms=BEGIN_MS, prices=prices) for of, limits in pairs]
    memory, real = memory_store(), redis_store(redis_url)
    leases: list[LeaseName] = []
    for step in history:
        made = named(step, accounts, len(leases))
        results = [happen(store, step, accounts, leases, made) for store in (memory, real)]
        assert results[0] == results[1], step
        leases += made
        for of in accounts:
            assert memory.peek(of) == real.peek(of), step


def named(step: Step, accounts: list[Account], known: int) -> list[LeaseName]:
    """The leases that the step's reservations take."""
    match step:
        case ("reserve", int() as which, list() as wanted):
            return [LeaseName(accounts[which].policy.tenant_id, f"l{known + n}") for n in range(len(wanted))]
    return []


def happen(store: Store, step: Step, accounts: list[Account], leases: list[LeaseName], made: list[LeaseName]) -> object:
    match step:
        case ("reserve", int() as n, list() as wanted):
            batch = zip(made, wanted, strict=True)
            return [*store.budgets.reserve([reservation(accounts[n], cost, lease.lease_id) for lease, cost in batch])]
        case ("settle", int() as n, Used() as used) if n < len(leases):
            return end(store.budgets, Settlement(leases[n].owner, leases[n].lease_id, used))
        case ("direct", int() as n, Used() as used):
            of = accounts[n]
            return end(store.budgets, Settlement(of.policy.tenant_id, f"direct-{n}", used, True, of.rule_set.rules))
        case ("release", int() as n) if n < len(leases):
            return store.budgets.release([leases[n]])
        case ("advance", int() as ms):
            store.advance(ms)
    return None


@given(history=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 600), st.integers(0, 2)), max_size=40))
@settings(max_examples=100)
def test_what_is_spent_is_the_sum_of_what_was_settled_and_what_is_open(history: list[tuple[int, int, int]]) -> None:
    store = memory_store()
    of = account(Limit(Scope.TENANT, Unit.TOKENS, 1000, WINDOW_SECONDS))
    spent, open_leases = 0, dict[str, int]()
    for n, (cost, used, action) in enumerate(history):
        (decision,) = store.budgets.reserve([reservation(of, cost, f"l{n}")])
        if isinstance(decision, Admitted):
            open_leases[f"l{n}"] = cost
        if open_leases and action:
            lease, _ = open_leases.popitem()
            if action == 1:
                store.budgets.settle([Settlement("acme", lease, Used(used))])
                spent += used
            else:
                store.budgets.release([LeaseName("acme", lease)])
        assert store.peek(of) == [1000 - spent - sum(open_leases.values())]
