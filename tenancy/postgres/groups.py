"""Fairshare groups in Postgres."""

import asyncpg

from store.postgres import PostgresPool
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.groups import Group, GroupInUse, GroupNameTaken, NewGroup, NoSuchGroup
from tenancy.directory.tenants import DEFAULT_GROUP
from tenancy.postgres.rows import Rows, page_by_name, refusing
from tenancy.values.invalidation import INVALIDATE_MODELS

COLUMNS = "name, weight, created_at, updated_at"
INSERT = f"INSERT INTO fairshare_groups (name, weight) VALUES ($1, $2) RETURNING {COLUMNS}"
GET = f"SELECT {COLUMNS} FROM fairshare_groups WHERE name = $1"
LOCK = f"{GET} FOR UPDATE"
PAGE = page_by_name("fairshare_groups", COLUMNS)
UPDATE = f"UPDATE fairshare_groups SET weight = $2, updated_at = now() WHERE name = $1 RETURNING {COLUMNS}"
DELETE = "DELETE FROM fairshare_groups WHERE name = $1"
ANNOUNCE = "INSERT INTO redis_outbox (key_hash, version) VALUES ($1, 0)"  # sidecars read weights with the models
LIMITS = "SELECT id FROM limits WHERE fairshare_group = $1 ORDER BY id"


class PostgresGroups:
    """Implements tenancy.directory.groups.Groups."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(
            pool, lambda row: Group(**row), NoSuchGroup, target_of=lambda group: ("fairshare_group", group.name)
        )

    async def create(self, new: NewGroup, by: ChangeRequest) -> Group:
        async with self._rows.transaction(by) as transaction:
            with refusing(asyncpg.UniqueViolationError, GroupNameTaken(new.name)):
                group = await transaction.write(INSERT, new.name, new.weight)
            await transaction.execute(ANNOUNCE, INVALIDATE_MODELS)
            return await transaction.created("create_group", group)

    async def get(self, name: str) -> Group | None:
        return await self._rows.one(GET, name)

    async def page(self, limit: int, after: str = "") -> tuple[Group, ...]:
        return await self._rows.many(PAGE, limit, after)

    async def update(self, name: str, weight: int, by: ChangeRequest) -> Group:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, name)
            if before.weight == weight:
                return before
            await transaction.execute(ANNOUNCE, INVALIDATE_MODELS)
            return await transaction.updated("update_group", before, await transaction.write(UPDATE, name, weight))

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            group = await transaction.existing(LOCK, name)
            if name == DEFAULT_GROUP:
                raise GroupInUse(name)
            limits = await transaction.ids(LIMITS, name)
            with refusing(asyncpg.ForeignKeyViolationError, GroupInUse(name)):
                await transaction.execute(DELETE, name)
            return await transaction.deleted("delete_group", "groups", group, limits=limits)
