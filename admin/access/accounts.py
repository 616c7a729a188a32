"""Accounts: the people of an organization, who sign in with e-mail address and password.  Values and ports; no SQL.

An account is an admin principal that is restricted to its organization.  No value here holds a password or its hash,
except those that are about to be stored.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypedDict

from admin.access.permission import Principal, Role
from tenancy.directory.change_request import ChangeRequest, Deleted


class NoSuchAccount(LookupError):
    """No account has this id."""


class EmailTaken(ValueError):
    """Another account has this e-mail address."""


class LastOwner(ValueError):
    """Without this account its organization would have no owner who can sign in."""


class NoSuchInvitation(LookupError):
    """No invitation has this id or token, or it has expired."""


class TooManyInvitations(ValueError):
    """The organization has MAX_INVITATIONS open ones."""


MAX_INVITATIONS = 50


class AccountRole(StrEnum):
    """What a person may do within the organization: owners also manage its people, viewers only read."""

    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"


ROLES: Mapping[AccountRole, Role] = {
    AccountRole.OWNER: Role.OWNER,
    AccountRole.MEMBER: Role.OPERATOR,
    AccountRole.VIEWER: Role.VIEWER,
}


def account_id() -> str:
    return f"acc_{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class Account:
    """A person of an organization.  `email` is in lower case."""

    id: str
    email: str
    organization: str
    role: AccountRole
    disabled: bool
    created_at: datetime
    updated_at: datetime

    @property
    def principal(self) -> Principal:
        """The principal, with the id in its name, because a later account with the same address has another id."""
        return Principal(f"{self.email} ({self.id})", ROLES[self.role], self.organization)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made."""

    email: str
    organization: str
    role: AccountRole
    password_hash: str = field(repr=False)
    id: str = field(default_factory=account_id)


class AccountChange(TypedDict, total=False):
    """Fields to change; an absent one stays.  A new password, and being disabled, end all sessions."""

    role: AccountRole
    disabled: bool
    password_hash: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """Lets its holder make an account with this address and role."""

    id: str
    organization: str
    email: str
    role: AccountRole
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation to be made; its token is shown once, to the one who asked."""

    organization: str
    email: str
    role: AccountRole
    expires_at: datetime
    id: str = field(default_factory=lambda: f"inv_{secrets.token_hex(8)}")
    token: str = field(default_factory=lambda: f"tki_{secrets.token_hex(24)}", repr=False)


class Accounts(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewAccount, by: ChangeRequest) -> Account:
        """EmailTaken; tenancy.directory.organizations.UnknownOrganization."""

    async def get(self, account_id: str) -> Account | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Account, ...]:
        """At most `limit` accounts, of one organization or all, by address, after the given one."""

    async def update(self, account_id: str, change: AccountChange, by: ChangeRequest) -> Account:
        """NoSuchAccount, StateChanged; by its own organization also LastOwner.  A change that changes nothing leaves no
        trace."""

    async def delete(self, account_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchAccount, StateChanged; by its own organization also LastOwner."""


class Invitations(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewInvitation, by: ChangeRequest) -> Invitation:
        """TooManyInvitations; tenancy.directory.organizations.UnknownOrganization."""

    async def page(self, organization: str, limit: int) -> tuple[Invitation, ...]:
        """The open invitations, oldest first."""

    async def get(self, invitation_id: str) -> Invitation | None:
        """None if there is none."""

    async def delete(self, invitation_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchInvitation."""

    async def accept(self, token: str, password_hash: str, by: ChangeRequest) -> Account:
        """Makes the account and ends the invitation.  NoSuchInvitation, also if the address has an account by now."""
