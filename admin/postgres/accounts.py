"""Accounts in Postgres.  A change locks the organization first, so that of its owners one always stays."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from typing import Any

import asyncpg

from admin.access.accounts import (
    Account,
    AccountChange,
    AccountRole,
    EmailTaken,
    LastOwner,
    NewAccount,
    NoSuchAccount,
)
from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.organizations import UnknownOrganization
from tenancy.postgres.rows import Rows, Transaction, refusing

COLUMNS = "id, email, organization, role, disabled, created_at, updated_at"
INSERT = (
    "INSERT INTO accounts (id, email, organization, role, password_hash) VALUES ($1, $2, $3, $4, $5)"
    f" RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM accounts WHERE id = $1"
LOCK = f"{GET} FOR UPDATE"
LOCK_ORGANIZATION = """
SELECT id FROM organizations WHERE id = (SELECT organization FROM accounts WHERE id = $1) FOR UPDATE
"""
PAGE = f"""
SELECT {COLUMNS} FROM accounts WHERE email > $2 COLLATE "C" AND ($3::text IS NULL OR organization = $3)
ORDER BY email COLLATE "C" LIMIT $1
"""
UPDATE = f"""
UPDATE accounts SET role = $2, disabled = $3, password_hash = coalesce($4, password_hash), updated_at = now()
WHERE id = $1 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM accounts WHERE id = $1"
END_SESSIONS = "UPDATE account_sessions SET expires_at = now() WHERE account_id = $1 AND expires_at > now()"
OTHER_OWNERS = """
SELECT EXISTS (SELECT 1 FROM accounts WHERE organization = $1 AND id <> $2 AND role = 'owner' AND NOT disabled)
"""


class PostgresAccounts:
    """Implements admin.access.accounts.Accounts."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = account_rows(pool)

    async def create(self, new: NewAccount, by: ChangeRequest) -> Account:
        async with self._rows.transaction(by) as transaction:
            return await add_account(transaction, new)

    async def get(self, account_id: str) -> Account | None:
        return await self._rows.one(GET, account_id)

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Account, ...]:
        return await self._rows.many(PAGE, limit, after, organization)

    async def update(self, account_id: str, change: AccountChange, by: ChangeRequest) -> Account:
        async with self._rows.transaction(by) as transaction:
            await transaction.execute(LOCK_ORGANIZATION, account_id)
            before = await transaction.existing(LOCK, account_id)
            password_hash = change.get("password_hash")
            role, disabled = change.get("role", before.role), change.get("disabled", before.disabled)
            if (role, disabled, password_hash) == (before.role, before.disabled, None):
                return before
            if disabled or role is not AccountRole.OWNER:
                await _require_another_owner(transaction, before)
            after = await transaction.write(UPDATE, account_id, role, disabled, password_hash)
            if disabled or password_hash is not None:
                await transaction.execute(END_SESSIONS, account_id)
            action = "update_account" if password_hash is None else "set_password"
            return await transaction.updated(action, before, after)

    async def delete(self, account_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            await transaction.execute(LOCK_ORGANIZATION, account_id)
            account = await transaction.existing(LOCK, account_id)
            await _require_another_owner(transaction, account)
            await transaction.execute(DELETE, account_id)
            return await transaction.deleted("delete_account", "accounts", account)


def account_rows(pool: PostgresPool) -> "Rows[Account]":
    return Rows(pool, account_of, NoSuchAccount, target_of=lambda account: ("account", account.id))


async def add_account(transaction: "Transaction[Account]", new: NewAccount) -> Account:
    """EmailTaken, UnknownOrganization."""
    with (
        refusing(asyncpg.UniqueViolationError, EmailTaken(new.email)),
        refusing(asyncpg.ForeignKeyViolationError, UnknownOrganization(new.organization)),
    ):
        values = (new.id, new.email, new.organization, new.role, new.password_hash)
        account = await transaction.write(INSERT, *values)
    return await transaction.created("create_account", account)


def account_of(row: Row) -> Account:
    """Of a row with COLUMNS, and perhaps more."""
    fields: dict[str, Any] = {name: row[name] for name in COLUMNS.split(", ")}
    return Account(**{**fields, "role": AccountRole(row["role"])})


async def _require_another_owner(transaction: "Transaction[Account]", account: Account) -> None:
    """Refuses if this account is the last owner who can sign in.  Operators need none: they can make another."""
    if account.role is not AccountRole.OWNER or account.disabled or transaction.by.organization is None:
        return
    if not await transaction.connection.fetchval(OTHER_OWNERS, account.organization, account.id):
        raise LastOwner(account.email)
