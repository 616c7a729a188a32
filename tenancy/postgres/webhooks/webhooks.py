"""Webhooks in Postgres, as operators and organizations manage them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.organizations import UnknownOrganization
from tenancy.directory.tenants import Position
from tenancy.directory.webhooks.webhooks import (
    MAX_WEBHOOKS,
    Delivery,
    Event,
    EventKind,
    NewWebhook,
    NoSuchDelivery,
    NoSuchWebhook,
    Salt,
    TooManyWebhooks,
    Webhook,
    WebhookChange,
    WebhookNameTaken,
)
from tenancy.postgres.change import audit
from tenancy.postgres.rows import Rows, Transaction, refusing

COLUMNS = """
id, name, url, description, organization, events, thresholds, enabled, disabled_because, dropped, last_success_at,
(SELECT max(s.expires_at) FROM webhook_secrets s WHERE s.webhook_id = webhooks.id AND s.expires_at > now())
AS old_secrets_until, created_at, updated_at
"""
INSERT = f"""
INSERT INTO webhooks (name, id, url, description, organization, events, thresholds, enabled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM webhooks WHERE id = $1"
LOCK = f"{GET} FOR NO KEY UPDATE"
LOCK_TO_DELETE = f"{GET} FOR UPDATE"
PAGE = f"""
SELECT {COLUMNS} FROM webhooks WHERE ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3)) AND ($4 = '' OR name = $4)
       AND ($5::text IS NULL OR organization = $5) ORDER BY created_at, id LIMIT $1
"""
UPDATE = f"""
UPDATE webhooks SET name = $1, url = $3, description = $4, events = $5, thresholds = $6, enabled = $7,
                    disabled_because = $8, updated_at = now() WHERE id = $2 RETURNING {COLUMNS}
"""
TOUCH = f"UPDATE webhooks SET updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
DELETE = "DELETE FROM webhooks WHERE id = $1"
# Two that are made at the same time must not both find room.
LOCK_COUNT = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1, 0))"
COUNT = "SELECT count(*) FROM webhooks WHERE organization IS NOT DISTINCT FROM $1"
ADD_SECRET = "INSERT INTO webhook_secrets (webhook_id, salt, root) VALUES ($1, $2, $3)"
RETIRE = """
UPDATE webhook_secrets SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE webhook_id = $1
"""
FORGET = "DELETE FROM webhook_secrets WHERE webhook_id = $1 AND expires_at <= now()"
OF_DELIVERY = """
SELECT d.id, d.event_id, e.kind AS event, e.tenant_id, d.state, d.attempts, d.status, d.error, d.response, e.created_at,
       CASE WHEN d.state = 'waiting' THEN d.next_at END AS next_at, d.ended_at
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id WHERE d.webhook_id = $1
"""
DELIVERIES = f"""
{OF_DELIVERY} AND ($3::bigint IS NULL OR d.id < $3) AND ($4::text IS NULL OR d.state = $4) ORDER BY d.id DESC LIMIT $2
"""
DELIVERY = f"{OF_DELIVERY} AND d.id = $2"
AGAIN = """
UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, first_at = NULL, next_at = now(), ended_at = NULL
WHERE webhook_id = $1 AND id = $2
"""
TEST_EVENT = "INSERT INTO webhook_events (id, kind, data) VALUES ($1, $2, $3::jsonb)"
TEST = "INSERT INTO webhook_deliveries (webhook_id, event_id) VALUES ($1, $2) RETURNING id"
CHANGED = ("name", "url", "description", "events", "thresholds", "enabled", "disabled_because")


class PostgresWebhooks:
    """Implements tenancy.directory.webhooks.webhooks.Webhooks."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._rows = Rows(pool, _webhook, NoSuchWebhook, target_of=lambda webhook: ("webhook", webhook.id))

    async def create(self, new: NewWebhook, salt: Salt, by: ChangeRequest) -> Webhook:
        async with self._rows.transaction(by) as transaction:
            await transaction.execute(LOCK_COUNT, new.organization or "")
            if await transaction.connection.fetchval(COUNT, new.organization) >= MAX_WEBHOOKS:
                raise TooManyWebhooks(MAX_WEBHOOKS)
            with refusing(asyncpg.ForeignKeyViolationError, UnknownOrganization(new.organization)):
                values = (new.id, new.url, new.description, new.organization)
                webhook = await _write(
                    transaction, INSERT, new.name, *values, new.events, sorted(new.thresholds), new.enabled
                )
            await transaction.execute(ADD_SECRET, webhook.id, salt.salt, salt.root)
            return await transaction.created("create_webhook", webhook)

    async def get(self, webhook_id: str) -> Webhook | None:
        return await self._rows.one(GET, webhook_id)

    async def page(
        self, limit: int, after: Position | None = None, name: str = "", organization: str | None = None
    ) -> tuple[Webhook, ...]:
        return await self._rows.many(PAGE, limit, *(after or (None, None)), name, organization)

    async def update(self, webhook_id: str, change: WebhookChange, by: ChangeRequest) -> Webhook:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, webhook_id)
            changed = replace(before, **_sorted(change))
            if changed.enabled:
                changed = replace(changed, disabled_because="")
            if changed == before:
                return before
            name, *values = (getattr(changed, each) for each in CHANGED)
            after = await _write(transaction, UPDATE, name, webhook_id, *values)
            return await transaction.updated("update_webhook", before, after)

    async def rotate(self, webhook_id: str, salt: Salt, overlap_seconds: int, by: ChangeRequest) -> Webhook:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, webhook_id)
            await transaction.execute(RETIRE, webhook_id, float(overlap_seconds))
            await transaction.execute(FORGET, webhook_id)
            await transaction.execute(ADD_SECRET, webhook_id, salt.salt, salt.root)
            return await transaction.updated("rotate_webhook", before, await transaction.write(TOUCH, webhook_id))

    async def delete(self, webhook_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            webhook = await transaction.existing(LOCK_TO_DELETE, webhook_id)
            await transaction.execute(DELETE, webhook_id)
            return await transaction.deleted("delete_webhook", "webhooks", webhook)

    async def test(self, webhook_id: str, by: ChangeRequest) -> Delivery:
        async with self._rows.transaction(by) as transaction:
            webhook = await transaction.existing(LOCK, webhook_id)
            event = Event(EventKind.WEBHOOK_TEST, "", {"webhook_id": webhook.id, "webhook": webhook.name})
            await transaction.execute(TEST_EVENT, event.id, event.kind, json.dumps(event.data))
            made = await transaction.connection.fetchval(TEST, webhook_id, event.id)
            await audit(transaction.connection, by, "test_webhook", ("webhook", webhook_id))
            return await _delivery(transaction.connection, webhook_id, made)

    async def deliveries(
        self, webhook_id: str, limit: int, before: int | None = None, state: str | None = None
    ) -> Sequence[Delivery]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(DELIVERIES, webhook_id, limit, before, state)
            if not rows and await connection.fetchrow(GET, webhook_id) is None:
                raise NoSuchWebhook(webhook_id)
        return tuple(Delivery(**row) for row in rows)

    async def delivery(self, webhook_id: str, delivery_id: int) -> Delivery:
        async with reading(self._pool) as connection:
            return await _delivery(connection, webhook_id, delivery_id)

    async def redeliver(self, webhook_id: str, delivery_id: int, by: ChangeRequest) -> Delivery:
        async with self._rows.transaction(by) as transaction:
            await transaction.existing(LOCK, webhook_id)
            before = await _delivery(transaction.connection, webhook_id, delivery_id)
            await transaction.execute(AGAIN, webhook_id, delivery_id)
            after = {"delivery": delivery_id, "event_id": before.event_id}
            await audit(transaction.connection, by, "redeliver_webhook", ("webhook", webhook_id), None, after)
            return await _delivery(transaction.connection, webhook_id, delivery_id)


async def _delivery(connection: Connection, webhook_id: str, delivery_id: int) -> Delivery:
    row = await connection.fetchrow(DELIVERY, webhook_id, delivery_id)
    if row is None:
        raise NoSuchDelivery(delivery_id)
    return Delivery(**row)


async def _write(transaction: Transaction[Webhook], statement: str, name: str, *values: object) -> Webhook:
    with refusing(asyncpg.UniqueViolationError, WebhookNameTaken(name)):
        return await transaction.write(statement, name, *values)


def _sorted(change: WebhookChange) -> dict[str, Any]:
    found: dict[str, Any] = {**change}
    if "events" in found:
        found["events"] = tuple(found["events"])
    if "thresholds" in found:
        found["thresholds"] = tuple(sorted(found["thresholds"]))
    return found


def _webhook(row: Row) -> Webhook:
    return Webhook(**{**row, "events": tuple(row["events"]), "thresholds": tuple(row["thresholds"])})
