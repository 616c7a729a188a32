"""Named policies in Postgres.

A policy's row is locked before the rows of its tenants, these by id.  A tenant that is moved to the policy waits for
that lock (tenants.py), so that no key keeps limits that the policy no longer has.
"""

import json
from dataclasses import replace

import asyncpg

from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.named_policies import LimitFields, NamedPolicy, NoSuchPolicy, PolicyInUse, PolicyNameTaken
from tenancy.postgres.rows import Rows, Transaction, page_by_name, refusing

COLUMNS = "name, description, limits, created_at, updated_at"
INSERT = f"INSERT INTO policies (name, description, limits) VALUES ($1, $2, $3::jsonb) RETURNING {COLUMNS}"
MAKE = f"INSERT INTO policies (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING {COLUMNS}"
GET = f"SELECT {COLUMNS} FROM policies WHERE name = $1"
LOCK = f"{GET} FOR NO KEY UPDATE"
PAGE = page_by_name("policies", COLUMNS)
UPDATE = f"""
UPDATE policies SET description = $2, limits = $3::jsonb, updated_at = now() WHERE name = $1 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM policies WHERE name = $1"
LOCK_TENANTS = "SELECT id FROM tenants WHERE policy = $1 ORDER BY id FOR UPDATE"
COUNT_UP = "UPDATE tenants SET version = version + 1 WHERE policy = $1"
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version) SELECT s.key_hash, t.version
FROM key_secrets s JOIN tenants t ON t.id = s.tenant_id WHERE t.policy = $1
"""


class PostgresPolicies:
    """Implements tenancy.directory.named_policies.Policies."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = rows(pool)

    async def create(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        async with self._rows.transaction(by) as transaction:
            with refusing(asyncpg.UniqueViolationError, PolicyNameTaken(name)):
                policy = await transaction.write(INSERT, name, description, json.dumps(limits))
            return await transaction.created("create_policy", policy)

    async def get(self, name: str) -> NamedPolicy | None:
        return await self._rows.one(GET, name)

    async def page(self, limit: int, after: str = "") -> tuple[NamedPolicy, ...]:
        return await self._rows.many(PAGE, limit, after)

    async def update(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, name)
            if replace(before, description=description, limits=limits) == before:
                return before
            after = await transaction.write(UPDATE, name, description, json.dumps(limits))
            for statement in (LOCK_TENANTS, COUNT_UP, ANNOUNCE):
                await transaction.execute(statement, name)
            return await transaction.updated("update_policy", before, after)

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            policy = await transaction.existing(LOCK, name)
            with refusing(asyncpg.ForeignKeyViolationError, PolicyInUse(name)):
                await transaction.execute(DELETE, name)
            return await transaction.deleted("delete_policy", "policies", policy)


def rows(pool: PostgresPool) -> Rows[NamedPolicy]:
    return Rows(pool, _policy, NoSuchPolicy, target_of=lambda policy: ("policy", policy.name))


async def make(transaction: Transaction[NamedPolicy], name: str) -> None:
    """Creates a policy without limits, unless there is one of this name."""
    policy = await transaction.find(MAKE, name)
    if policy is not None:
        await transaction.created("create_policy", policy)


def _policy(row: Row) -> NamedPolicy:
    return NamedPolicy(**{**row, "limits": tuple(json.loads(row["limits"]))})
