"""Organizations in Postgres.  Their row is locked before those of their tenants."""

from dataclasses import replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.organizations import (
    NewOrganization,
    NoSuchOrganization,
    Organization,
    OrganizationChange,
    OrganizationInUse,
    OrganizationNameTaken,
    Plan,
    UnknownOrganization,
    require_room,
)
from tenancy.postgres.rows import Rows, Transaction, page_by_name, refusing

COLUMNS = "id, name, plan, created_at, updated_at"
INSERT = f"INSERT INTO organizations (id, name, plan) VALUES ($1, $2, $3) RETURNING {COLUMNS}"
GET = f"SELECT {COLUMNS} FROM organizations WHERE id = $1"
LOCK = f"{GET} FOR UPDATE"
PAGE = page_by_name("organizations", COLUMNS)
UPDATE = f"UPDATE organizations SET name = $2, plan = $3, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
ACCOUNTS = "SELECT id FROM accounts WHERE organization = $1 ORDER BY id"
DELETE = "DELETE FROM organizations WHERE id = $1"
LOCK_PLAN = "SELECT plan FROM organizations WHERE id = $1 FOR UPDATE"
COUNT_TENANTS = "SELECT count(*) FROM tenants WHERE organization = $1"
TENANT_IDS = "SELECT tenant_id FROM organization_tenants WHERE organization = $1 ORDER BY tenant_id"


class PostgresOrganizations:
    """Implements tenancy.directory.organizations.Organizations."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._rows = Rows(pool, _organization, NoSuchOrganization, target_of=lambda each: ("organization", each.id))

    async def create(self, new: NewOrganization, by: ChangeRequest) -> Organization:
        async with self._rows.transaction(by) as transaction:
            made = await _write(transaction, INSERT, new.id, new.name, new.plan)
            return await transaction.created("create_organization", made)

    async def get(self, organization_id: str) -> Organization | None:
        return await self._rows.one(GET, organization_id)

    async def page(self, limit: int, after: str = "") -> tuple[Organization, ...]:
        return await self._rows.many(PAGE, limit, after)

    async def update(self, organization_id: str, change: OrganizationChange, by: ChangeRequest) -> Organization:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, organization_id)
            wanted = replace(before, **change)
            if wanted == before:
                return before
            after = await _write(transaction, UPDATE, organization_id, wanted.name, wanted.plan)
            return await transaction.updated("update_organization", before, after)

    async def delete(self, organization_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            organization = await transaction.existing(LOCK, organization_id)
            accounts = await transaction.ids(ACCOUNTS, organization_id)
            with refusing(asyncpg.ForeignKeyViolationError, OrganizationInUse(organization_id)):
                await transaction.execute(DELETE, organization_id)
            return await transaction.deleted("delete_organization", "organizations", organization, accounts=accounts)

    async def count_tenants(self, organization_id: str) -> int:
        async with reading(self._pool) as connection:
            count: int = await connection.fetchval(COUNT_TENANTS, organization_id)
        return count

    async def tenant_ids(self, organization_id: str) -> tuple[str, ...]:
        async with reading(self._pool) as connection:
            return tuple(row["tenant_id"] for row in await connection.fetch(TENANT_IDS, organization_id))


async def lock_for_tenant(connection: Connection, organization_id: str) -> None:
    """Locks the organization to the end of the transaction, so that of two who make its last tenant only one succeeds;
    UnknownOrganization, PlanIsFull."""
    plan = await connection.fetchval(LOCK_PLAN, organization_id)
    if plan is None:
        raise UnknownOrganization(organization_id)
    require_room(Plan(plan), await connection.fetchval(COUNT_TENANTS, organization_id))


async def _write(transaction: Transaction[Organization], statement: str, *values: str) -> Organization:
    with refusing(asyncpg.UniqueViolationError, OrganizationNameTaken(values[1])):
        return await transaction.write(statement, *values)


def _organization(row: Row) -> Organization:
    return Organization(**{**row, "plan": Plan(row["plan"])})
