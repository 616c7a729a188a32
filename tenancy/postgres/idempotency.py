"""Idempotency keys in Postgres: the claim, which is a row of the create's transaction, and what a repetition reads."""

import json

from store.postgres import Connection, PostgresPool, reading
from tenancy.directory.audit import Snapshot
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.idempotency import AlreadyAsked, Idempotency, Repeat

# A second request with the same key waits here for the first one's commit, then finds its row.
CLAIM = """
INSERT INTO idempotency_keys (actor, idempotency_key, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (actor, idempotency_key) DO UPDATE
SET fingerprint = excluded.fingerprint, target_type = NULL, target_id = NULL, response = NULL, ts = now()
WHERE idempotency_keys.ts < now() - interval '24 hours'
RETURNING 1
"""
# Each claim deletes more old rows than it adds, so the table shrinks by itself.
FORGET = """
DELETE FROM idempotency_keys WHERE (actor, idempotency_key) IN (
    SELECT actor, idempotency_key FROM idempotency_keys WHERE ts < now() - interval '24 hours' AND NOT (actor = $1 AND
    idempotency_key = $2) ORDER BY ts LIMIT 10 FOR UPDATE SKIP LOCKED)
"""
COMPLETE = """
UPDATE idempotency_keys SET target_type = $3, target_id = $4, response = $5::jsonb
WHERE actor = $1 AND idempotency_key = $2
"""
ANSWER = "UPDATE idempotency_keys SET response = $3::jsonb WHERE actor = $1 AND idempotency_key = $2"
FIND = """
SELECT fingerprint, target_type, target_id, response FROM idempotency_keys
WHERE actor = $1 AND idempotency_key = $2 AND response IS NOT NULL
"""


class PostgresRepeats:
    """Implements tenancy.directory.idempotency.Repeats."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def find(self, actor: str, key: str) -> Repeat | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(FIND, actor, key)
        return None if row is None else Repeat(**{**row, "response": json.loads(row["response"])})


async def claim(connection: Connection, actor: str, asked: Idempotency) -> None:
    """To be done first in the transaction of a create; AlreadyAsked."""
    await connection.execute(FORGET, actor, asked.key)
    if await connection.fetchval(CLAIM, actor, asked.key, asked.fingerprint) is None:
        raise AlreadyAsked(asked.key)


async def complete(connection: Connection, by: ChangeRequest, target: tuple[str, str], response: str | None) -> None:
    """Keeps what was created, as JSON, for a repetition."""
    if by.idempotency is not None:
        await connection.execute(COMPLETE, by.actor, by.idempotency.key, *target, response)


async def answered(connection: Connection, by: ChangeRequest, response: Snapshot) -> None:
    """Replaces what `complete` kept, where the answer is not the value that the audit log shows."""
    if by.idempotency is not None:
        await connection.execute(ANSWER, by.actor, by.idempotency.key, json.dumps(response))
