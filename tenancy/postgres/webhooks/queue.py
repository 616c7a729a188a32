"""The queue of deliveries: taking some to send, and recording the outcome of each.  Several processes share it.

A delivery that was taken comes again after TAKEN_SECONDS unless its outcome is recorded: so each event arrives at least
once, even if the process is killed between sending and recording.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.postgres import PostgresPool, Row, reading
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.webhooks.webhooks import Salt
from tenancy.postgres.change import audit

TAKEN_SECONDS = 60.0  # longer than a delivery may take
KEEP_DAYS = 35  # longer than a month, within which the same event is not sent twice
MAX_RESPONSE = 500  # characters
ACTOR = "webhooks"  # the audit log's actor for what happens without a request
# A few of each webhook that is not busy, so that a slow one does not hold up the others.
TAKE = """
WITH due AS (
    SELECT d.id, d.webhook_id FROM webhooks w CROSS JOIN LATERAL (
        SELECT id, webhook_id FROM webhook_deliveries WHERE webhook_id = w.id AND state = 'waiting' AND next_at <= now()
        ORDER BY next_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) AS d
    WHERE w.enabled AND w.id <> ALL ($3::text[]) LIMIT $1
), taken AS (
    UPDATE webhook_deliveries SET next_at = now() + make_interval(secs => $4), attempts = attempts + 1,
                                  first_at = coalesce(first_at, now())
    WHERE id IN (SELECT id FROM due) RETURNING id, webhook_id, event_id, attempts
)
SELECT t.id, t.webhook_id, t.attempts, w.url, w.organization, e.id AS event_id, e.kind, e.data, e.created_at,
       (SELECT array_agg(s.salt || ' ' || s.root ORDER BY s.created_at DESC) FROM webhook_secrets s
        WHERE s.webhook_id = t.webhook_id AND (s.expires_at IS NULL OR s.expires_at > now())) AS salts
FROM taken t JOIN webhooks w ON w.id = t.webhook_id JOIN webhook_events e ON e.id = t.event_id
ORDER BY t.webhook_id, t.id
"""
# A webhook is locked before its deliveries: in any other order two that end at the same time wait for each other.
LOCK = "SELECT FROM webhooks WHERE id = $1 FOR NO KEY UPDATE"
# A delivery that another process has taken since is left to that process.
DELIVERED = """
UPDATE webhook_deliveries SET state = 'delivered', ended_at = now(), status = $3, error = '', response = $4
WHERE id = $1 AND attempts = $2 AND state = 'waiting'
"""
SUCCEEDED = "UPDATE webhooks SET last_success_at = now() WHERE id = $1"
LATER = """
UPDATE webhook_deliveries SET next_at = now() + make_interval(secs => $6), status = $3, error = $4, response = $5
WHERE id = $1 AND attempts = $2 AND state = 'waiting'
"""
FAILED = """
UPDATE webhook_deliveries SET state = 'failed', ended_at = now(), status = $3, error = $4, response = $5
WHERE id = $1 AND attempts = $2 AND state = 'waiting' RETURNING first_at
"""
# Only if nothing has come through to the webhook since the delivery was first tried.
DISABLE = """
UPDATE webhooks SET enabled = false, disabled_because = $2, updated_at = now()
WHERE id = $1 AND enabled AND ($4 OR last_success_at IS NULL OR last_success_at < $3) RETURNING name
"""
GIVE_UP = """
UPDATE webhook_deliveries SET state = 'failed', ended_at = now(), error = 'the webhook was disabled'
WHERE webhook_id = $1 AND state = 'waiting'
"""
SWEEP = f"""
DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events
                                        WHERE created_at < now() - interval '{KEEP_DAYS} days' LIMIT 5000)
"""
COUNT = """
SELECT (SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting') AS waiting,
       (SELECT count(*) FROM webhooks WHERE disabled_because <> '') AS disabled,
       (SELECT coalesce(sum(dropped), 0) FROM webhooks) AS dropped
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery to be sent now, for the `attempts`-th time."""

    id: int
    webhook_id: str
    attempts: int
    url: str
    organization: str | None
    event_id: str
    kind: str
    data: Mapping[str, Any]
    created_at: datetime
    salts: tuple[Salt, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.  `error` "": it was accepted.  `gone`: the receiver wants no more.  `wait_seconds`: the delay
    that the receiver asks for."""

    status: int | None
    error: str = ""
    response: str = ""
    gone: bool = False
    wait_seconds: float = 0.0


class WebhookQueue:
    """Raises what store.postgres.UNAVAILABLE lists."""

    def __init__(self, pool: PostgresPool, taken_seconds: float = TAKEN_SECONDS) -> None:
        self._pool, self._taken_seconds = pool, taken_seconds

    async def take(self, most: int, of_each: int, busy: Sequence[str]) -> Sequence[Taken]:
        """At most `most` deliveries, `of_each` webhook that is not `busy`."""
        async with reading(self._pool) as connection:
            rows = await connection.fetch(TAKE, most, of_each, [*busy], self._taken_seconds)
        return [_taken(row) for row in rows]

    async def delivered(self, taken: Taken, outcome: Outcome) -> None:
        async with reading(self._pool) as connection, connection.transaction():
            await connection.execute(SUCCEEDED, taken.webhook_id)
            await connection.execute(DELIVERED, taken.id, taken.attempts, outcome.status, outcome.response)

    async def later(self, taken: Taken, outcome: Outcome, seconds: float) -> None:
        """Schedules another try in `seconds`."""
        async with reading(self._pool) as connection:
            await connection.execute(LATER, taken.id, taken.attempts, *_said(outcome), seconds)

    async def failed(self, taken: Taken, outcome: Outcome, because: str) -> str | None:
        """Gives the delivery up.  If nothing else came through in the meantime, or the receiver wants no more, the
        webhook is disabled; returns its name then."""
        async with reading(self._pool) as connection, connection.transaction():
            await connection.execute(LOCK, taken.webhook_id)
            first_at = await connection.fetchval(FAILED, taken.id, taken.attempts, *_said(outcome))
            if first_at is None:
                return None
            name: str | None = await connection.fetchval(DISABLE, taken.webhook_id, because, first_at, outcome.gone)
            if name is not None:
                await connection.execute(GIVE_UP, taken.webhook_id)
                after = {"name": name, "enabled": False, "disabled_because": because}
                target = ("webhook", taken.webhook_id)
                by = ChangeRequest(ACTOR, organization=taken.organization)
                await audit(connection, by, "disable_webhook", target, {"enabled": True}, after)
        return name

    async def sweep(self) -> None:
        """Forgets old events with their deliveries."""
        async with reading(self._pool) as connection:
            await connection.execute(SWEEP)

    async def counts(self) -> Mapping[str, float]:
        """How many deliveries wait, webhooks are disabled since they failed, and events were dropped."""
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(COUNT)
        return {name: float(each) for name, each in (row or {}).items()}


def _said(outcome: Outcome) -> tuple[int | None, str, str]:
    return outcome.status, outcome.error, outcome.response


def _taken(row: Row) -> Taken:
    salts = tuple(Salt(*each.split(" ")) for each in row["salts"] or ())
    return Taken(**{**row, "data": json.loads(row["data"]), "salts": salts})
