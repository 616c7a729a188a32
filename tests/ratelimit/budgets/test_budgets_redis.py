"""What budgets leave behind in Redis: names, fields, expiry; and that memory there stays bounded."""

from collections.abc import Iterator
from functools import partial

import pytest
import redis

from ratelimit.budgets.port import Admitted, LeaseName, Reservation, Settled, Settlement
from ratelimit.budgets.redis import KEEP_LEASE_MS, RedisBudgets
from ratelimit.budgets.rule import Rule, RuleSet, Used
from ratelimit.budgets.stored import MARKER_MS
from ratelimit.tenants.lease import Kept
from store.redis import open_redis
from tests.ratelimit.stores import LEASE_SECONDS, account, peek, requests, reservation, tokens

MINUTE_MS = 60_000
BUDGET = "tollkeeper:budget:{acme}:tenant:tokens:60s"


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as opened:
        yield opened


@pytest.fixture
def budgets(redis_url: str) -> Iterator[RedisBudgets]:
    opened = RedisBudgets(partial(open_redis, redis_url, timeout=1.0), LEASE_SECONDS, timeout=1.0)
    yield opened
    opened.close()


def test_a_budget_expires_five_minutes_after_it_is_full_again(client: redis.Redis, budgets: RedisBudgets) -> None:
    budgets.reserve([reservation(account(tokens(600, window_seconds=60)), 150)])
    stored = client.hgetall(BUDGET)
    assert (stored["level"], stored["carry"], stored["capacity"]) == ("450", "0", "600")
    full_in_ms = MINUTE_MS // 4
    assert full_in_ms + 5 * MINUTE_MS - 1000 < client.pttl(BUDGET) <= full_in_ms + 5 * MINUTE_MS


def test_a_budget_that_is_full_again_can_still_be_seen(client: redis.Redis, budgets: RedisBudgets) -> None:
    of = account(tokens(600, window_seconds=60), requests(60, window_seconds=60))
    budgets.reserve([reservation(of, 150, "a")])
    budgets.release([LeaseName("acme", "a")])
    assert sorted(client.keys("*")) == ["tollkeeper:budget:{acme}:tenant:requests:60s", BUDGET]
    assert client.hget(BUDGET, "level") == "600"


def test_a_refusal_and_a_peek_write_nothing(client: redis.Redis, budgets: RedisBudgets) -> None:
    of = account(tokens(600, window_seconds=60))
    budgets.reserve([reservation(of, 601)])
    peek(client, of)
    assert client.keys("*") == []


def test_a_lease_holds_what_an_orphan_needs(client: redis.Redis, budgets: RedisBudgets) -> None:
    budgets.reserve([reservation(account(tokens(600, window_seconds=60)), 150, "a")])
    assert client.get("tollkeeper:lease:{acme}:a") == (
        '{"key_id":"key-1","user_id":"u","budgets":[["tollkeeper:budget:{acme}:tenant:tokens:60s","b60000",600,1]],'
        '"reserved":[150],"tokens":150,"input_estimate":1,"end_user_id":"","model":"m","path":"/v1/x"}'
    )
    assert LEASE_SECONDS * 1000 < client.pttl("tollkeeper:lease:{acme}:a") <= LEASE_SECONDS * 1000 + KEEP_LEASE_MS
    assert client.zcard("tollkeeper:leases:{acme}") == 1


HOUR_MS = 3_600_000
BEFORE = (  # as version 0.1.0 wrote it: of a bucket, an hour of the calendar and a shadow limit that it missed
    '{"key_id":"key-1","user_id":"u","budgets":[["tollkeeper:budget:{acme}:tenant:tokens:60s","b86400000",600,1],'
    '["tollkeeper:budget:{acme}:lim_1","fhour/UTC",1000,[1000000,1000000,-900000,0],%d,%d,%d],'
    '["tollkeeper:budget:{group:gold}:lim_2","s3600000",5,0]],"reserved":[150,150,1],"tokens":150,"input_estimate":100,'
    '"end_user_id":"bob","model":"m","path":"/v1/x","at_ms":%d,"missed":[3]}'
)


NAMES = (BUDGET, "tollkeeper:budget:{acme}:lim_1", "tollkeeper:budget:{group:gold}:lim_2")


def put_before(client: "redis.Redis", lease_id: str, deadline_ms: int = 0) -> None:
    """A lease of the version before, and what it took."""
    seconds, micros = client.time()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    bounds = (now_ms - HOUR_MS, now_ms + HOUR_MS, now_ms + 2 * HOUR_MS)
    client.set(f"tollkeeper:lease:{{acme}}:{lease_id}", BEFORE % (*bounds, now_ms))
    client.zadd("tollkeeper:leases:{acme}", {lease_id: deadline_ms or now_ms + 600_000})
    shapes = [(450, 600, "b86400000"), (850, 1000, "fhour/UTC"), (5, 5, "s3600000")]
    for name, (level, capacity, shape) in zip(NAMES, shapes, strict=True):
        for field, value in ("level", level), ("carry", 0), ("capacity", capacity), ("at_ms", now_ms), ("shape", shape):
            client.hset(name, field, str(value))


def levels(client: "redis.Redis") -> list[object]:
    return [client.hget(name, "level") for name in NAMES]


def test_a_lease_of_the_version_before_is_settled(client: redis.Redis, budgets: RedisBudgets) -> None:
    put_before(client, "a")
    settlement = Settlement("acme", "a", Used(60, 30, 40, 10))
    assert budgets.settle([settlement, settlement]) == [Settled.SETTLED, Settled.GONE]
    # 450 + 150 - (60 + 30); 850 + 150 - (60 + 30 - 0.9 x 40); nothing was taken by the shadow.
    assert levels(client) == ["510", "946", "5"]
    assert client.keys("tollkeeper:lease*") == []


def test_a_lease_of_the_version_before_is_released(client: redis.Redis, budgets: RedisBudgets) -> None:
    put_before(client, "a")
    assert budgets.release([LeaseName("acme", "a")] * 2) == [Settled.SETTLED, Settled.GONE]
    assert levels(client) == ["600", "1000", "5"]


def test_a_lease_of_the_version_before_is_swept(client: redis.Redis, budgets: RedisBudgets) -> None:
    put_before(client, "a", deadline_ms=1)
    budgets.orphans(10)  # begins a sweep
    (orphan,) = budgets.orphans(10)
    assert (orphan.owner, orphan.lease_id) == ("acme", "a")
    assert Kept.read(orphan.kept) == Kept("key-1", "u", "bob", "m", "/v1/x", 150, 100)
    assert set(orphan.kept) <= set(Kept._fields)
    assert levels(client) == ["450", "850", "5"]


def test_without_a_lease_only_budgets_are_written(client: redis.Redis, budgets: RedisBudgets) -> None:
    key = "tollkeeper:budget:{descriptors}:a"
    of = RuleSet.of("descriptors", [Rule(key, "b60000", 600)])
    assert budgets.reserve([Reservation(of, [150])]) == [Admitted((450,))]
    assert client.keys("*") == [key]


STRANGE = [
    '{"key_id":"key-1","budgets":[["tollkeeper:budget:{acme}:x","b60000",600,1]]}',
    '{"reserved":[5],"budgets":[["tollkeeper:budget:{acme}:x",60000,600,1]],"user_id":7}',
    '{"reserved":[5],"budgets":[["tollkeeper:budget:{acme}:x","b0",600,1]]}',
    '{"reserved":[5],"budgets":[["tollkeeper:budget:{acme}:x","fday/UTC",600,1]]}',
    '{"reserved":[5],"budgets":[["tollkeeper:budget:{acme}:x","b60000",600,[1]]]}',
    '{"reserved":5,"budgets":{},"missed":1}',
    "[]",
    "7",
    "not JSON",
]


@pytest.mark.parametrize("lease", STRANGE)
def test_a_lease_of_another_version_stops_nobody(client: redis.Redis, redis_url: str, lease: str) -> None:
    budgets = RedisBudgets(partial(open_redis, redis_url, timeout=1.0), -1.0, timeout=1.0)
    of = account(tokens(600))
    budgets.reserve([reservation(of, 100, name) for name in "abcdef"])
    for name in "ace":
        client.set(f"tollkeeper:lease:{{acme}}:{name}", lease)
    assert budgets.settle([Settlement("acme", name, Used(10)) for name in "ab"]) == [Settled.SETTLED] * 2
    assert budgets.release([LeaseName("acme", name) for name in "cd"]) == [Settled.SETTLED] * 2
    budgets.orphans(10)  # begins a sweep
    orphans = {orphan.lease_id: orphan for orphan in budgets.orphans(10)}
    whole, strange = (Kept.read(orphans[name].kept) for name in "fe")
    assert (whole.key_id, whole.tokens) == ("key-1", 100)
    assert (orphans["e"].owner, strange.user_id, strange.tokens) == ("acme", "", 0)
    assert client.zcard("tollkeeper:leases:{acme}") == 0
    assert peek(client, of) == [600 - 4 * 100 - 10]
    budgets.close()


def test_settled_leases_leave_nothing_but_the_budget(client: redis.Redis, budgets: RedisBudgets) -> None:
    budgets.reserve([reservation(account(tokens(600, window_seconds=60)), 150, "a")])
    budgets.settle([Settlement("acme", "a", Used(10))])
    assert client.keys("*") == [BUDGET]


def test_a_direct_charge_is_remembered_for_a_day(client: redis.Redis, budgets: RedisBudgets) -> None:
    budgets.settle([Settlement("acme", "a", Used(10), True, account(tokens(600, window_seconds=60)).rule_set.rules)])
    assert 0 < client.pttl("tollkeeper:settled:{acme}:a") <= MARKER_MS
    assert client.hget(BUDGET, "level") == "590"


def test_a_sweep_is_bounded_and_goes_on_where_it_stopped(client: redis.Redis, redis_url: str) -> None:
    short = RedisBudgets(partial(open_redis, redis_url, timeout=1.0), -1.0, timeout=1.0)
    client.mset({f"tollkeeper:key:{n}": "x" for n in range(60_000)})
    short.reserve([reservation(account(tenant_id=f"t{n}"), 1, f"l{n}") for n in range(50)])
    found, sweeps = 0, 0
    while found < 50 and sweeps < 20:
        found, sweeps = found + len(short.orphans(100)), sweeps + 1
    assert found == 50
    assert sweeps > 2
    short.close()


def test_redis_whose_clock_was_set_is_asked_again(redis_url: str, budgets: RedisBudgets) -> None:
    of = account(tokens(600))
    budgets.reserve([reservation(of, 1)])
    assert budgets._ahead_ms is not None
    budgets._ahead_ms -= 3_600_000  # as learned before the clock was set forward by an hour
    assert budgets.reserve([reservation(of, 1)]) == [Admitted((598,))]
