"""What an operator does to budgets: one table of cases for both implementations."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import redis

from ratelimit.budgets.control_redis import Held, RedisControl
from ratelimit.budgets.rule import Rule
from ratelimit.tenants.account import rule_of
from store.redis import open_redis_async
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tests.ratelimit.memory import MemoryControl
from tests.ratelimit.stores import BEGIN_MS, CLOCK, at_test_clock


@dataclass(frozen=True)
class Controlled:
    control: MemoryControl | RedisControl
    advance: Callable[[int], None]


@pytest.fixture(params=["memory", "redis"])
async def controlled(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Controlled]:
    if request.param == "memory":
        now_ms = [BEGIN_MS]

        def later(ms: int) -> None:
            now_ms[0] += ms

        yield Controlled(MemoryControl(lambda: now_ms[0]), later)
        return
    client = open_redis_async(redis_url, timeout=1.0)
    control = RedisControl(client)
    control._peek, control._adjust = at_test_clock(control._peek), at_test_clock(control._adjust)
    control._reset = at_test_clock(control._reset)
    with redis.Redis.from_url(redis_url) as clock:
        clock.set(CLOCK, BEGIN_MS)

        def advance(ms: int) -> None:
            clock.incrby(CLOCK, ms)

        yield Controlled(control, advance)
    await client.aclose()


def rule(amount: int = 600, kind: Kind = Kind.BUCKET, calendar: Calendar | None = None, id: str = "") -> Rule:
    limit = Limit(Scope.TENANT, Unit.TOKENS, amount, 60, id=id, kind=kind, calendar=calendar)
    return rule_of("acme", limit, BEGIN_MS)


BUCKET, FIXED, SLIDING = rule(), rule(kind=Kind.FIXED), rule(kind=Kind.SLIDING)
HOUR = rule(kind=Kind.FIXED, calendar=Calendar.HOUR)
SHAPES = pytest.mark.parametrize("of", [BUCKET, FIXED, SLIDING, HOUR], ids=["bucket", "fixed", "sliding", "hour"])


@SHAPES
async def test_what_nobody_used_is_full(controlled: Controlled, of: Rule) -> None:
    assert await controlled.control.peek([of, of]) == [Held(600, BEGIN_MS, 0)] * 2
    assert await controlled.control.peek([]) == await controlled.control.reset([]) == []
    assert await controlled.control.reset([of]) == [Held(600, BEGIN_MS, 0)]


@SHAPES
async def test_a_charge_is_seen_and_given_back_up_to_the_capacity(controlled: Controlled, of: Rule) -> None:
    control = controlled.control
    charged = await control.adjust(of, -700)
    assert charged.held == -100
    assert charged.full_at_ms > BEGIN_MS
    assert await control.peek([of]) == [charged]
    assert (await control.adjust(of, 50)).held == -50
    assert await control.adjust(of, 10_000) == Held(600, BEGIN_MS, 0)
    await control.adjust(of, -1)
    assert await control.reset([of]) == await control.peek([of]) == [Held(600, BEGIN_MS, 0)]


@SHAPES
async def test_a_change_with_a_name_is_made_once(controlled: Controlled, of: Rule) -> None:
    control = controlled.control
    first = await control.adjust(of, -100, "a")
    assert await control.adjust(of, -100, "a") == first
    assert (await control.adjust(of, -100, "b")).held == 400
    assert (await control.reset([of], "c"))[0].held == 600
    await control.adjust(of, -100)
    assert (await control.reset([of], "c"))[0].held == 500
    assert (await control.reset([of]))[0].held == 600


@pytest.mark.parametrize(
    ("of", "after_ms", "held", "full_after_ms"),
    [
        (BUCKET, 0, 299, 30_100),
        (BUCKET, 10_050, 399, 30_100),
        (BUCKET, 10_099, 399, 30_100),
        (BUCKET, 30_100, 600, 30_100),
        (FIXED, 0, 299, 60_000),
        (FIXED, 59_999, 299, 60_000),
        (FIXED, 60_000, 600, 60_000),
        (SLIDING, 0, 299, 120_000),
        (SLIDING, 60_000, 299, 180_000),
        (SLIDING, 90_000, 449, 180_000),
        (SLIDING, 120_000, 600, 120_000),
    ],
)
async def test_time_gives_it_back(
    controlled: Controlled, of: Rule, after_ms: int, held: int, full_after_ms: int
) -> None:
    await controlled.control.adjust(of, -301)
    controlled.advance(after_ms)
    assert await controlled.control.peek([of]) == [Held(held, BEGIN_MS + full_after_ms, 0)]


async def test_a_changed_limit_keeps_what_is_spent(controlled: Controlled) -> None:
    await controlled.control.adjust(BUCKET, -400)
    assert [held.held for held in await controlled.control.peek([rule(1000)])] == [600]
    assert [held.held for held in await controlled.control.peek([rule(300)])] == [-100]
    assert (await controlled.control.adjust(rule(300), -50)).held == -150
    assert (await controlled.control.peek([BUCKET]))[0].held == 150


async def test_several_are_told_apart(controlled: Controlled) -> None:
    both = [rule(id="a"), rule(id="b")]
    await controlled.control.adjust(both[1], -5)
    assert [held.held for held in await controlled.control.peek(both)] == [600, 595]
    assert [held.held for held in await controlled.control.reset(both)] == [600, 600]
