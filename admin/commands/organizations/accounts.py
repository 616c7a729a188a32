"""The accounts and invitations of an organization: what making and changing one means."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from admin.access.accounts import (
    Account,
    AccountChange,
    AccountRole,
    Invitation,
    NewAccount,
    NewInvitation,
    NoSuchInvitation,
)
from admin.access.passwords import MAX_CHARACTERS, MIN_CHARACTERS
from admin.access.permission import ResourceKind
from admin.commands.directory import ACCOUNTS
from admin.commands.refusals import Reason, Refusal, Refused, invalid
from admin.commands.session import Session, command, query
from tenancy.directory.change_request import Deleted

INVITED_FOR = timedelta(days=7)
NO_ORGANIZATION = Refusal(Reason.FORBIDDEN, "this admin token is of no organization: sign in as somebody of one")


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """An account to be made by an operator, with its first password."""

    email: str
    password: str = field(repr=False)
    organization: str
    role: AccountRole = AccountRole.MEMBER


@command(ResourceKind.ACCOUNT)
async def create(session: Session, asked: AccountRequest) -> Account:
    hashed = await hash_of(session, asked.password)
    new = NewAccount(email_of(asked.email), asked.organization, asked.role, hashed)
    return await session.ports.accounts.create(new, session.by)


@command(ResourceKind.ACCOUNT)
async def update(session: Session, account_id: str, change: dict[str, Any]) -> Account:
    """`change` has any of `role`, `disabled` and `password`."""
    change = dict(change)
    if "password" in change:
        change["password_hash"] = await hash_of(session, change.pop("password"))
    return await session.ports.accounts.update(ACCOUNTS.id(account_id), cast(AccountChange, change), session.by)


@query(ResourceKind.ACCOUNT)
async def invitations(session: Session, organization: str, limit: int) -> tuple[Invitation, ...]:
    """The open invitations, oldest first."""
    return await session.ports.invitations.page(organization, limit)


@command(ResourceKind.ACCOUNT)
async def invite(session: Session, organization: str, email: str, role: AccountRole) -> tuple[Invitation, str]:
    """With the token that accepts it, to be shown once and handed to the invited."""
    new = NewInvitation(organization, email_of(email), role, datetime.now(UTC) + INVITED_FOR)
    return await session.ports.invitations.create(new, session.by), new.token


@command(ResourceKind.ACCOUNT)
async def withdraw(session: Session, invitation_id: str) -> Deleted:
    if not ACCOUNTS.form.fullmatch(invitation_id):
        raise NoSuchInvitation(invitation_id)
    return await session.ports.invitations.delete(invitation_id, session.by)


async def hash_of(session: Session, password: str) -> str:
    require_good(password)
    return await session.ports.desk.passwords.hash(password)


def require_good(password: str) -> None:
    """Refuses a password that is too weak."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise wrong_password()


def wrong_password() -> Refused:
    return invalid(("password", f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters"))


def email_of(text: str) -> str:
    """The form in which accounts store an address."""
    return text.strip().lower()
