"""Events without a change, which are noticed: budgets, refusals, keys that are about to expire.

What was reported before is stored here, in the transaction of the event: several processes report a thing once.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from store.postgres import Connection, PostgresPool, reading
from tenancy.directory.audit import snapshot
from tenancy.directory.keys import Key
from tenancy.directory.webhooks.spend_alerts import SpendAlert
from tenancy.directory.webhooks.told import key_told
from tenancy.directory.webhooks.webhooks import Event, EventKind
from tenancy.postgres.keys import COLUMNS as KEY_COLUMNS
from tenancy.postgres.keys import key_of
from tenancy.postgres.webhooks import events
from tenancy.postgres.webhooks.spend_alerts import COLUMNS as ALERT_COLUMNS
from tenancy.postgres.webhooks.spend_alerts import alert_of

EXPIRING_DAYS = 7
MAX_KEYS = 500  # reported at a time
MAX_TENANTS = 10_000
WANTED = """
SELECT coalesce(array_agg(DISTINCT t ORDER BY t) FILTER (WHERE 'budget.threshold' = ANY (e)), '{}') AS thresholds,
       coalesce(bool_or('requests.refused' = ANY (e)), false) AS refused,
       coalesce(bool_or('key.expiring' = ANY (e)), false) AS expiring,
       coalesce(bool_or('spend.alert' = ANY (e)), false) AS spending
FROM (SELECT CASE WHEN events = '{}' THEN $1::text[] ELSE events END AS e, thresholds FROM webhooks WHERE enabled) AS w
LEFT JOIN LATERAL unnest(w.thresholds) AS t ON true
"""
TOLD_TENANTS = f"SELECT DISTINCT tenant_id FROM budget_notices LIMIT {MAX_TENANTS}"
TOLD = "SELECT tenant_id, budget, percent, window_end FROM budget_notices WHERE tenant_id = ANY ($1::text[])"
# Only while it is as the caller saw it: another process may have reported in the meantime.
KEEP = """
INSERT INTO budget_notices AS kept (tenant_id, budget, percent, window_end) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, budget) DO UPDATE SET percent = $3, window_end = $4
WHERE kept.percent = $5 AND kept.window_end IS NOT DISTINCT FROM $6 RETURNING true
"""
FORGET = "DELETE FROM budget_notices WHERE tenant_id = $1 AND budget = $2 AND percent = $3"
FIRST_LOOK = "INSERT INTO webhook_looks (name, until) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
LOOK = "SELECT until FROM webhook_looks WHERE name = $1 FOR UPDATE SKIP LOCKED"
LOOKED = "UPDATE webhook_looks SET until = $2 WHERE name = $1"
# Those that some webhook subscribes to, and that were not reported yet.
EXPIRING = f"""
SELECT {KEY_COLUMNS} FROM api_keys WHERE NOT disabled AND expires_at > now()
       AND expires_at <= now() + interval '{EXPIRING_DAYS} days'
       AND NOT EXISTS (SELECT FROM webhook_events WHERE once = 'expiring ' || api_keys.id || ' '
                       || round(extract(epoch FROM expires_at))::bigint)
       AND EXISTS (SELECT FROM webhooks w WHERE w.enabled AND (w.events = '{{}}' OR 'key.expiring' = ANY (w.events))
                   AND (w.organization IS NULL OR w.organization = (SELECT o.organization FROM organization_tenants o
                                                                    WHERE o.tenant_id = api_keys.tenant_id)))
ORDER BY expires_at, id LIMIT {MAX_KEYS}
"""


# As `once` of the event has them.
ALERTS = f"""
SELECT {ALERT_COLUMNS} FROM spend_alerts a WHERE NOT EXISTS (
    SELECT FROM webhook_events e WHERE e.once = 'spend ' || a.id || ' ' || a.threshold_amount || ' ' || $1)
ORDER BY tenant_id, id LIMIT {MAX_TENANTS}
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What any webhook subscribes to."""

    thresholds: tuple[int, ...]
    refused: bool
    expiring: bool
    spending: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The percentage of a budget that was reported, in the fixed window that ends then."""

    percent: int = 0
    window_end: datetime | None = None


NOTHING = Told()
Budgets = Mapping[tuple[str, str], Told]  # by tenant and name of the budget


class Notices:
    """Raises what store.postgres.UNAVAILABLE lists."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def wanted(self) -> Wanted:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(WANTED, [*EventKind])
        assert row is not None  # noqa: S101 - an aggregate has a row
        return Wanted(tuple(row["thresholds"]), row["refused"], row["expiring"], row["spending"])

    async def told_tenants(self) -> Sequence[str]:
        """The tenants with a reported budget whose window may be over."""
        async with reading(self._pool) as connection:
            return [row["tenant_id"] for row in await connection.fetch(TOLD_TENANTS)]

    async def told(self, tenant_ids: Sequence[str]) -> Budgets:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(TOLD, [*tenant_ids])
        return {(row["tenant_id"], row["budget"]): Told(row["percent"], row["window_end"]) for row in rows}

    async def tell(
        self, of: tuple[str, str], before: Told, now: Told, passed: tuple[int, int], told: Mapping[int, Event]
    ) -> None:
        """Stores the present percentage, and queues the events by threshold; `passed`: the percentages before and
        now."""
        try:
            async with reading(self._pool) as connection, connection.transaction():
                if not now.percent:
                    await connection.execute(FORGET, *of, before.percent)
                    return
                values = (*of, now.percent, now.window_end, before.percent, before.window_end)
                if await connection.fetchval(KEEP, *values):
                    for threshold, event in told.items():
                        await events.write(connection, event, (threshold, *passed))
        except asyncpg.ForeignKeyViolationError:
            pass  # the tenant was just deleted

    @asynccontextmanager
    async def look(self, name: str, first: datetime) -> AsyncIterator["Look | None"]:
        """Yields a look at what is new under `name`; None: another process is looking.  `first`: since when, the first
        time."""
        async with reading(self._pool) as connection, connection.transaction():
            await connection.execute(FIRST_LOOK, name, first)
            until = await connection.fetchval(LOOK, name)
            yield None if until is None else Look(name, until, connection)

    async def open_alerts(self, month: str) -> Sequence[SpendAlert]:
        """The alerts that were not reported in the month yet."""
        async with reading(self._pool) as connection:
            return [alert_of(row) for row in await connection.fetch(ALERTS, month)]

    async def tell_all(self, told: Sequence[Event]) -> None:
        async with reading(self._pool) as connection:
            for event in told:
                await events.write(connection, event)

    async def tell_expiring(self) -> None:
        async with reading(self._pool) as connection:
            for row in await connection.fetch(EXPIRING):
                await events.write(connection, _expiring(key_of(row)))


@dataclass(frozen=True, slots=True)
class Look:
    """A look at what is new since `since`, by one process at a time."""

    name: str
    since: datetime
    _connection: Connection

    async def tell(self, event: Event) -> None:
        await events.write(self._connection, event)

    async def looked(self, until: datetime) -> None:
        await self._connection.execute(LOOKED, self.name, until)


def _expiring(key: Key) -> Event:
    assert key.expires_at is not None  # noqa: S101 - only such were asked for
    once = f"expiring {key.id} {round(key.expires_at.timestamp())}"
    return key_told(EventKind.KEY_EXPIRING, snapshot(key), once)
