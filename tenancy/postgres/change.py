"""What every change of the tenancy tables shares: one transaction with a deadline, its audit row, its outbox rows.

A change is: lock the tenant's row, change, count the tenant's version up, write the audit row, write an outbox row for
every key hash it affects.  The caller applies the outbox after the commit (tenancy.outbox).  No table's own SQL here.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, Idempotency, Snapshot
from tenancy.directory.terms import AlreadyAsked

# A second request with the same key waits here for the first one's commit, then finds its row.
CLAIM = """
INSERT INTO idempotency_keys (actor, idempotency_key, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (actor, idempotency_key) DO UPDATE
SET fingerprint = excluded.fingerprint, target_type = NULL, target_id = NULL, response = NULL, ts = now()
WHERE idempotency_keys.ts < now() - interval '24 hours'
RETURNING 1
"""
# As many as a claim adds, and a few more: the table shrinks by itself.
FORGET = """
DELETE FROM idempotency_keys WHERE (actor, idempotency_key) IN (
    SELECT actor, idempotency_key FROM idempotency_keys WHERE ts < now() - interval '24 hours' AND NOT (actor = $1 AND
    idempotency_key = $2) ORDER BY ts LIMIT 10 FOR UPDATE SKIP LOCKED)
"""
CLAIMED = """
UPDATE idempotency_keys SET target_type = $3, target_id = $4, response = $5::jsonb
WHERE actor = $1 AND idempotency_key = $2
"""
ANSWERED = "UPDATE idempotency_keys SET response = $3::jsonb WHERE actor = $1 AND idempotency_key = $2"


class _Rehearsed(Exception):
    """Undoes the transaction of a dry run."""


@asynccontextmanager
async def changing(pool: PostgresPool, by: ChangeRequest | None = None) -> AsyncIterator[Connection]:
    """A transaction: committed when the block ends, undone when it raises or does not end in time.

    On the terms of `by`: terms.AlreadyAsked before the block if it repeats a create; a dry run is undone.
    """
    with suppress(_Rehearsed):
        async with reading(pool) as connection, connection.transaction():
            if by is not None and by.idempotency is not None:
                await _claim(connection, by.actor, by.idempotency)
            yield connection
            if by is not None and by.dry_run:
                raise _Rehearsed


async def _claim(connection: Connection, actor: str, asked: Idempotency) -> None:
    await connection.execute(FORGET, actor, asked.key)
    if await connection.fetchval(CLAIM, actor, asked.key, asked.fingerprint) is None:
        raise AlreadyAsked(asked.key)


async def written(connection: Connection, statement: str, *values: object) -> Row:
    """The row of an INSERT or UPDATE ... RETURNING that is known to write one."""
    rows = await connection.fetch(statement, *values)
    return rows[0]


async def audit(
    connection: Connection,
    by: ChangeRequest,
    action: str,
    target: tuple[str, str],
    before: Snapshot | None = None,
    after: Snapshot | None = None,
) -> None:
    """Adds the entry of this transaction's change; `target` is its type and id.  Completes the claim of a create."""
    shown = None if after is None else json.dumps(after)
    if by.idempotency is not None:
        await connection.execute(CLAIMED, by.actor, by.idempotency.key, *target, shown)
    await connection.execute(
        "INSERT INTO audit_log (actor, action, target_type, target_id, before, after, source, request_id)"
        " VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8)",
        by.actor,
        action,
        *target,
        None if before is None else json.dumps(before),
        shown,
        by.source,
        by.request_id,
    )


async def answered(connection: Connection, by: ChangeRequest, response: Snapshot) -> None:
    """After `audit`, where the answer is not what the log keeps: what a repetition is answered."""
    if by.idempotency is not None:
        await connection.execute(ANSWERED, by.actor, by.idempotency.key, json.dumps(response))


async def count_up(connection: Connection, tenant_id: str) -> int:
    """The tenant's next version, holding its row's lock to the end of the transaction."""
    version: int = await connection.fetchval(
        "UPDATE tenants SET version = version + 1 WHERE id = $1 RETURNING version", tenant_id
    )
    return version


async def announce_tenant(connection: Connection, tenant_id: str, version: int) -> None:
    """Outbox rows for every secret of a tenant's keys: to be written before they are deleted."""
    await connection.execute(
        "INSERT INTO redis_outbox (key_hash, version) SELECT key_hash, $2 FROM key_secrets WHERE tenant_id = $1",
        tenant_id,
        version,
    )


async def announce_key(connection: Connection, key_id: str, version: int) -> None:
    """Outbox rows for every secret of one key: to be written before it is deleted."""
    await connection.execute(
        "INSERT INTO redis_outbox (key_hash, version) SELECT key_hash, $2 FROM key_secrets WHERE key_id = $1",
        key_id,
        version,
    )
