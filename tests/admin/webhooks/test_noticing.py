"""What is noticed without a change, on real stores: budgets, refusals, keys that end soon; once, by two at a time."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis import asyncio as aio

from admin.access.permission import Principal, Role
from admin.app import ports_on
from admin.commands import budgets
from admin.commands.session import Session
from admin.metrics import AdminMetrics
from admin.postgres.propagation import PostgresPropagation
from admin.webhooks.noticing import Noticing, floor, step
from tenancy.directory.keys import NewKey
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant
from tenancy.postgres.webhooks.notices import NOTHING, Notices, Told
from tenancy.values.limit import Kind, Scope, Unit
from tests.admin.webhooks.conftest import BY, Hooks

WINDOW, NEXT = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
TOLD = "SELECT data FROM webhook_events WHERE kind = $1 ORDER BY created_at, id"
ROOM = "CREATE TABLE IF NOT EXISTS usage_of_tests PARTITION OF usage DEFAULT"
USED = """
INSERT INTO usage (id, ts, tenant_id, admission, usage_source, status, denied_by, requests)
VALUES ($1::text::uuid, $2, 'acme', $3, 'none', $4, $5, $6)
"""


@pytest.mark.parametrize(
    ("told", "used", "window", "before", "now"),
    [
        (NOTHING, 49, None, 0, NOTHING),
        (NOTHING, 50, None, 0, Told(50)),
        (NOTHING, 130, None, 0, Told(100)),
        (Told(50), 79, None, 50, Told(50)),
        (Told(50), 80, None, 50, Told(80)),
        (Told(80), 61, None, 80, Told(80)),  # it went back a little
        (Told(80), 59, None, 50, Told(50)),  # it went back far: 80 is told again
        (Told(50), 3, None, 0, NOTHING),
        (Told(100, WINDOW), 100, NEXT, 0, Told(100, NEXT)),  # another window, as full as the one before
        (Told(100, WINDOW), 10, NEXT, 0, NOTHING),
        (Told(50, WINDOW), 50, WINDOW, 50, Told(50, WINDOW)),
    ],
)
def test_what_is_told_of_a_budget(told: Told, used: int, window: datetime | None, before: int, now: Told) -> None:
    assert step(told, used, window, (50, 80, 100)) == (before, now)


class Noticed:
    """An acme with a limit, what it spends, and what webhooks were told."""

    def __init__(self, hooks: Hooks, redis: aio.Redis) -> None:
        self.pool = hooks.pool
        self.ports = ports_on(hooks.pool, redis, PostgresPropagation(hooks.pool, redis, AdminMetrics()), "token")
        self.looks = [Noticing(Notices(hooks.pool), self.ports) for _ in range(2)]
        self.session = Session(self.ports, Principal("admin", Role.OWNER), BY)

    async def look(self, now: datetime | None = None) -> None:
        """By two processes at the same time."""
        await asyncio.gather(*(each.look(now) for each in self.looks))

    async def spend(self, limit_id: str, amount: int) -> None:
        await budgets.adjust(self.session, budgets.Whose("acme"), limit_id, Decimal(-amount))

    async def used(self, time: datetime, *, denied_by: str = "", requests: int = 1) -> None:
        id = f"{int(time.timestamp() * 1000):012x}70008000{requests:012x}"
        admission, status = ("refused", 429) if denied_by else ("fast", 200)
        async with self.pool.acquire() as connection:
            await connection.execute(ROOM)
            await connection.execute(USED, id, time, admission, status, denied_by, requests)

    async def told(self, kind: str) -> list[dict[str, Any]]:
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(TOLD, kind)
        return [json.loads(row["data"]) for row in rows]


@pytest.fixture
async def noticed(hooks: Hooks, redis_url: str) -> AsyncIterator[Noticed]:
    redis = aio.Redis.from_url(redis_url)
    found = Noticed(hooks, redis)
    await found.ports.tenants.create(NewTenant("Acme", id="acme"), BY)
    yield found
    await redis.aclose()


@pytest.mark.parametrize("kind", [Kind.FIXED, Kind.BUCKET])
async def test_a_budget_is_told_once_for_each_threshold(noticed: Noticed, hooks: Hooks, kind: Kind) -> None:
    low, _ = await hooks.hook("https://low.test/", "low", events=("budget.threshold",), thresholds=(50,))
    high, _ = await hooks.hook("https://high.test/", "high", thresholds=(80, 90))
    limit = NewLimit(Scope.TENANT, Unit.TOKENS, 1000, 10**7, tenant_id="acme", kind=kind)
    made = await noticed.ports.limits.create(limit, BY)
    await noticed.used(datetime.now(UTC))
    await noticed.look()
    assert await noticed.told("budget.threshold") == []
    for spent, expected in ((600, [50]), (100, [50]), (250, [50, 90]), (500, [50, 90])):
        await noticed.spend(made.id, spent)
        await noticed.look()
        assert sorted(each["threshold"] for each in await noticed.told("budget.threshold")) == expected
    (told,) = [each for each in await noticed.told("budget.threshold") if each["threshold"] == 90]
    assert (told["tenant_id"], told["used_percent"], told["budget"]["limit_id"]) == ("acme", 95, made.id)
    assert len(await hooks.port.deliveries(low.id, 10)) == 1
    assert [each.event for each in await hooks.port.deliveries(high.id, 10)] == ["budget.threshold"]
    await budgets.reset(noticed.session, budgets.Whose("acme"), made.id)
    await noticed.look()
    await noticed.spend(made.id, 550)
    await noticed.look()
    assert sorted(each["threshold"] for each in await noticed.told("budget.threshold")) == [50, 50, 90]
    await noticed.ports.limits.delete(made.id, BY)
    await noticed.look()
    assert await Notices(hooks.pool).told_tenants() == []


async def test_refusals_are_told_together_by_tenant_and_reason(noticed: Noticed, hooks: Hooks) -> None:
    await hooks.hook("https://hooks.test/", events=("requests.refused",))
    start = floor(datetime.now(UTC)) - timedelta(minutes=20)
    async with hooks.pool.acquire() as connection:
        await connection.execute("INSERT INTO webhook_looks VALUES ('refusals', $1)", start)
    inside = start + timedelta(minutes=1)
    await noticed.used(inside, denied_by="tenant:tokens:60s", requests=7)
    await noticed.used(inside + timedelta(seconds=3), denied_by="tenant:tokens:60s", requests=5)
    await noticed.used(inside, denied_by="key:requests:60s", requests=2)
    await noticed.used(start + timedelta(minutes=6), denied_by="tenant:tokens:60s", requests=1)
    for _ in range(3):
        await noticed.look(start + timedelta(minutes=5, seconds=31))
    told = {each["denied_by"]: each for each in await noticed.told("requests.refused")}
    assert {name: each["requests"] for name, each in told.items()} == {"tenant:tokens:60s": 12, "key:requests:60s": 2}
    assert (told["key:requests:60s"]["tenant_id"], told["key:requests:60s"]["status"]) == ("acme", 429)
    await noticed.look(start + timedelta(minutes=10, seconds=31))
    assert [each["requests"] for each in await noticed.told("requests.refused")][2:] == [1]


async def test_a_key_that_ends_soon_is_told_once(noticed: Noticed, hooks: Hooks) -> None:
    await hooks.hook("https://hooks.test/", events=("key.expiring",))
    soon, late = (datetime.now(UTC) + timedelta(days=days) for days in (6, 30))
    key = await noticed.ports.keys.create("acme", NewKey("soon", expires_at=soon), BY)
    await noticed.ports.keys.create("acme", NewKey("late", expires_at=late), BY)
    await noticed.look()
    await noticed.look()
    assert [each["key"]["id"] for each in await noticed.told("key.expiring")] == [key.id]


async def test_without_a_webhook_nothing_is_kept(noticed: Noticed) -> None:
    await noticed.used(datetime.now(UTC))
    await noticed.look()
    await noticed.ports.keys.create("acme", NewKey("k", expires_at=datetime.now(UTC) + timedelta(days=1)), BY)
    async with noticed.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM webhook_events") == 0
