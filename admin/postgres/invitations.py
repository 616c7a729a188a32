"""Invitations in Postgres.  Of a token only its SHA-256 is kept."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import hashlib

import asyncpg

from admin.access.accounts import (
    MAX_INVITATIONS,
    Account,
    AccountRole,
    EmailTaken,
    Invitation,
    NewAccount,
    NewInvitation,
    NoSuchInvitation,
    TooManyInvitations,
)
from admin.postgres.accounts import account_rows, add_account
from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.organizations import UnknownOrganization
from tenancy.postgres.rows import Rows, refusing

COLUMNS = "id, organization, email, role, created_at, expires_at"
INSERT = (
    "INSERT INTO invitations (id, token_hash, organization, email, role, expires_at) VALUES ($1, $2, $3, $4, $5, $6)"
    f" RETURNING {COLUMNS}"
)
OPEN = f"SELECT {COLUMNS} FROM invitations WHERE expires_at > now() AND"
GET = f"{OPEN} id = $1"
PAGE = f"{OPEN} organization = $2 ORDER BY created_at, id LIMIT $1"
FORGET = "DELETE FROM invitations WHERE organization = $1 AND expires_at <= now()"
LOCK_ORGANIZATION = "SELECT id FROM organizations WHERE id = $1 FOR UPDATE"
COUNT = "SELECT count(*) FROM invitations WHERE organization = $1"
DELETE = "DELETE FROM invitations WHERE id = $1"
TAKE = f"DELETE FROM invitations WHERE token_hash = $1 AND expires_at > now() RETURNING {COLUMNS}"


class PostgresInvitations:
    """Implements admin.access.accounts.Invitations."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, _invitation, NoSuchInvitation, target_of=lambda each: ("invitation", each.id))
        self._accounts = account_rows(pool)

    async def create(self, new: NewInvitation, by: ChangeRequest) -> Invitation:
        async with self._rows.transaction(by) as transaction:
            await transaction.execute(LOCK_ORGANIZATION, new.organization)
            await transaction.execute(FORGET, new.organization)
            if await transaction.connection.fetchval(COUNT, new.organization) >= MAX_INVITATIONS:
                raise TooManyInvitations(MAX_INVITATIONS)
            values = (new.id, _hash(new.token), new.organization, new.email, new.role, new.expires_at)
            with refusing(asyncpg.ForeignKeyViolationError, UnknownOrganization(new.organization)):
                made = await transaction.write(INSERT, *values)
            return await transaction.created("create_invitation", made)

    async def page(self, organization: str, limit: int) -> tuple[Invitation, ...]:
        return await self._rows.many(PAGE, limit, organization)

    async def get(self, invitation_id: str) -> Invitation | None:
        return await self._rows.one(GET, invitation_id)

    async def delete(self, invitation_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            invitation = await transaction.existing(GET, invitation_id)
            await transaction.execute(DELETE, invitation_id)
            return await transaction.deleted("delete_invitation", "invitations", invitation)

    async def accept(self, token: str, password_hash: str, by: ChangeRequest) -> Account:
        async with self._accounts.transaction(by) as transaction:
            row = await transaction.connection.fetchrow(TAKE, _hash(token))
            if row is None:
                raise NoSuchInvitation
            new = NewAccount(row["email"], row["organization"], AccountRole(row["role"]), password_hash)
            try:
                return await add_account(transaction, new)
            except (EmailTaken, UnknownOrganization) as error:
                raise NoSuchInvitation from error


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _invitation(row: Row) -> Invitation:
    return Invitation(**{**row, "role": AccountRole(row["role"])})
