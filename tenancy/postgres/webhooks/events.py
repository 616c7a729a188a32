"""Writing events: each with a row in the queue of every webhook that is to be told, in the transaction of its cause."""

import json

from store.postgres import Connection
from tenancy.directory.webhooks.webhooks import Event

MAX_WAITING = 10_000  # deliveries of one webhook; what comes beyond is dropped, and counted
# A webhook's row is locked against its deletion, which would take the delivery's reference away.  An organization is
# told of the tenants that are or were its own.
WRITE = f"""
WITH asked AS (
    SELECT w.id, (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.webhook_id = w.id
                                        AND d.state = 'waiting' LIMIT {MAX_WAITING}) AS waiting) AS waiting
    FROM webhooks w WHERE w.enabled AND (w.events = '{{}}' OR $2 = ANY (w.events))
         AND (w.organization IS NULL
              OR w.organization = (SELECT o.organization FROM organization_tenants o WHERE o.tenant_id = $3))
         AND ($6::integer IS NULL OR $6 = (SELECT max(t) FROM unnest(w.thresholds) AS t WHERE t > $7 AND t <= $8))
    FOR KEY SHARE OF w
), told AS (
    SELECT id FROM asked WHERE waiting < {MAX_WAITING}
), dropped AS (
    UPDATE webhooks SET dropped = dropped + 1 WHERE id IN (SELECT id FROM asked WHERE waiting >= {MAX_WAITING})
), event AS (
    INSERT INTO webhook_events (id, kind, tenant_id, data, once)
    SELECT $1, $2, $3, $4::jsonb, $5 WHERE EXISTS (SELECT FROM told) ON CONFLICT (once) DO NOTHING RETURNING id
)
INSERT INTO webhook_deliveries (webhook_id, event_id) SELECT told.id, event.id FROM told, event
"""


async def write(connection: Connection, event: Event, threshold: tuple[int, int, int] | None = None) -> None:
    """Queues the event for the webhooks that subscribe to it.  `threshold`: for a budget, the percentage of the event,
    the one reported before and the present one: a webhook is told only of the highest of its own thresholds that was
    passed since."""
    values = (event.id, event.kind, event.tenant_id, json.dumps(event.data), event.once)
    await connection.execute(WRITE, *values, *(threshold or (None, 0, 0)))
