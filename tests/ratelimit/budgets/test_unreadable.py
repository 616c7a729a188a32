"""What cannot be read in Redis costs the request that needs it, and no other in the same batch."""

from collections.abc import Iterator
from functools import partial

import pytest
import redis

from ratelimit.budgets.control_redis import RedisControl
from ratelimit.budgets.port import Admitted, LeaseName, Settled, Settlement
from ratelimit.budgets.redis import RedisBudgets
from ratelimit.budgets.restoring_redis import RedisRestoring, Spent
from ratelimit.budgets.rule import Used
from ratelimit.tenants.account import Account
from store.redis import open_redis, open_redis_async
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tests.ratelimit.stores import DAY_SECONDS, LEASE_SECONDS, account, peek, reservation, tokens

GOOD = account(tokens(600), tenant_id="good")
BAD = account(tokens(600), tenant_id="bad", max_in_flight=5)
BUDGET, LEASES = "tollkeeper:budget:{bad}:tenant:tokens:86400s", "tollkeeper:leases:{bad}"
ERA = 1_000_000_000_000


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as opened:
        yield opened


@pytest.fixture
def budgets(redis_url: str) -> Iterator[RedisBudgets]:
    opened = RedisBudgets(partial(open_redis, redis_url, timeout=1.0), LEASE_SECONDS, timeout=1.0)
    yield opened
    opened.close()


def spoil(client: "redis.Redis", how: str) -> None:
    match how:
        case "another type":
            client.set(BUDGET, "x")
        case "no numbers":
            client.hset(BUDGET, mapping={"level": "x", "carry": 0, "capacity": 600, "at_ms": 1, "shape": "b86400000"})
        case "half of it":
            client.hset(BUDGET, "level", "5")
        case "no capacity":
            client.hset(BUDGET, mapping={"level": 5, "carry": 0, "capacity": 0, "at_ms": 1, "shape": "b86400000"})
        case "leases":
            client.set(LEASES, "x")


SPOILT = ["another type", "no numbers", "half of it", "no capacity", "leases"]


@pytest.mark.parametrize("how", SPOILT)
def test_of_a_batch_only_who_needs_it_is_not_decided(client: redis.Redis, budgets: RedisBudgets, how: str) -> None:
    spoil(client, how)
    before = client.dump(BUDGET)
    batch = [reservation(GOOD, 100, "a"), reservation(BAD, 100, "b"), reservation(GOOD, 100, "c")]
    assert budgets.reserve(batch) == [Admitted((500,)), None, Admitted((400,))]
    assert peek(client, GOOD) == [400]
    assert client.dump(BUDGET) == before
    assert client.exists("tollkeeper:lease:{bad}:b") == 0


@pytest.mark.parametrize("how", SPOILT)
def test_of_a_batch_that_settles_the_others_are_settled(client: redis.Redis, budgets: RedisBudgets, how: str) -> None:
    budgets.reserve([reservation(GOOD, 100, "a"), reservation(BAD, 100, "b"), reservation(GOOD, 100, "c")])
    client.delete(BUDGET, LEASES)
    spoil(client, how)
    direct = Settlement("bad", "d", Used(9), True, BAD.rule_set.rules)
    batch = [Settlement("bad", "b", Used(10)), direct, *(Settlement("good", name, Used(10)) for name in "ac")]
    assert budgets.settle(batch) == [Settled.SETTLED] * 4
    assert budgets.settle(batch) == [Settled.GONE] * 4
    assert peek(client, GOOD) == [580]


def test_a_lease_of_another_type_stops_nobody(client: redis.Redis, redis_url: str) -> None:
    short = RedisBudgets(partial(open_redis, redis_url, timeout=1.0), -1.0, timeout=1.0)
    short.reserve([reservation(GOOD, 100, name) for name in "abcd"])
    for name in "ac":
        client.delete(f"tollkeeper:lease:{{good}}:{name}")
        client.hset(f"tollkeeper:lease:{{good}}:{name}", "x", "y")
    assert short.release([LeaseName("good", name) for name in "ab"]) == [Settled.SETTLED] * 2
    short.orphans(10)  # begins a sweep
    assert [orphan.lease_id for orphan in short.orphans(10)] == ["d"]
    assert client.zcard("tollkeeper:leases:{good}") == 0
    short.close()


def test_a_shadow_that_cannot_be_read_refuses_nobody(client: redis.Redis, budgets: RedisBudgets) -> None:
    of = account(Limit(Scope.TENANT, Unit.TOKENS, 600, DAY_SECONDS, shadow=True), tenant_id="bad")
    spoil(client, "another type")
    assert budgets.reserve([reservation(of, 100, "a")]) == [Admitted((0,))]


async def test_an_operator_sees_the_others_and_repairs_it(client: redis.Redis, redis_url: str) -> None:
    spoil(client, "another type")
    opened = open_redis_async(redis_url, timeout=1.0)
    control = RedisControl(opened)
    rules = [GOOD.rule_set.rules[0], BAD.rule_set.rules[0]]
    assert [held.held for held in await control.peek(rules)] == [600, 0]
    assert (await control.adjust(rules[1], -50)).held == 550
    spoil_and_reset = await control.reset(rules[1:])
    assert [held.held for held in spoil_and_reset] == [600]
    await opened.aclose()


async def test_the_ledgers_word_replaces_it(client: redis.Redis, redis_url: str) -> None:
    """It counts as missing, so that an audit finds it, and what mends puts the ledger's sum in its place."""
    limit = Limit(Scope.TENANT, Unit.TOKENS, 600, ERA // 1000, id="lim_1", kind=Kind.FIXED)
    of = account(limit, tenant_id="bad")
    client.set(of.rule_set.rules[0].key, "x")
    opened = open_redis_async(redis_url, timeout=1.0)
    restoring = RedisRestoring(opened)
    now_ms, spent = await restoring.now_ms(), [Spent(of.rule_set.rules[0], 250)]
    (seen,) = await restoring.look(spent, now_ms)
    assert seen.spent == -1
    assert client.get(of.rule_set.rules[0].key) == "x"
    (raised,) = await restoring.raise_to([spent[0]._replace(least=seen.spent)], now_ms)
    assert raised.raised
    assert held(client, of) == 350
    await opened.aclose()


def held(client: "redis.Redis", of: Account) -> int:
    (found,) = peek(client, of)
    return found
