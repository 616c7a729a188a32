"""The transaction of a change: its deadline, the caller's claim and dry run, its audit entry, what webhooks are told of
it, its tenant's version.

A change locks what it depends on (policies, then groups, organizations, tenants by id: in any other order two changes
wait for each other), writes, counts the tenant's version up, and leaves a row in the outbox for every key hash that it
affects.  The process that made the change applies the outbox after the commit (tenancy.outbox).  No SQL of
a single table here.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import Snapshot
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.tenants import NoSuchTenant
from tenancy.directory.webhooks.told import told
from tenancy.postgres.idempotency import claim, complete
from tenancy.postgres.webhooks import events

AUDIT = """
INSERT INTO audit_log (actor, action, target_type, target_id, before, after, source, request_id, organization)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8, $9)
"""
LOCK_TENANT = "SELECT id FROM tenants WHERE id = $1 FOR UPDATE"
COUNT_UP = "UPDATE tenants SET version = version + 1 WHERE id = $1 RETURNING version"


class _DryRun(Exception):
    """Rolls the transaction of a dry run back."""


@asynccontextmanager
async def changing(pool: PostgresPool, by: ChangeRequest) -> AsyncIterator[Connection]:
    """A transaction: committed when the block ends, rolled back when it raises or does not end in time.

    AlreadyAsked before the block if `by` repeats a create; a dry run is rolled back too, without an error.
    """
    with suppress(_DryRun):
        async with reading(pool) as connection, connection.transaction():
            if by.idempotency is not None:
                await claim(connection, by.actor, by.idempotency)
            yield connection
            if by.dry_run:
                raise _DryRun


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
    """Adds the entry of this transaction's change; `target` is its type and id.  Completes the claim of a create, and
    tells webhooks."""
    old, new = (None if value is None else json.dumps(value) for value in (before, after))
    await complete(connection, by, target, new)
    await connection.execute(AUDIT, by.actor, action, *target, old, new, by.source, by.request_id, by.organization)
    if (event := told(action, before, after)) is not None:
        await events.write(connection, event)


async def lock_tenant(connection: Connection, tenant_id: str) -> None:
    """Locks the tenant's row to the end of the transaction: changes of one tenant are in order; NoSuchTenant."""
    if await connection.fetchval(LOCK_TENANT, tenant_id) is None:
        raise NoSuchTenant(tenant_id)


async def count_up(connection: Connection, tenant_id: str) -> int:
    """The tenant's next version; locks its row like lock_tenant."""
    version: int = await connection.fetchval(COUNT_UP, tenant_id)
    return version
