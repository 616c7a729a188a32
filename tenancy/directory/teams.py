"""Teams: tenants as surfaces for people see them, with one token limit and with the people who have keys.  Values and
port; no SQL.

A team is just a tenant: a change here changes the tenant, its limit named TOKEN_LIMIT, and the policy that it refers
to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.keys import Key
from tenancy.directory.stored_limits import StoredLimit
from tenancy.directory.tenants import NewTenant, Tenant, TenantChange

TOKEN_LIMIT = "token_limit"


class NoTokenLimit(LookupError):
    """The team has no token limit that could be changed in part: its amount or its window is missing."""


class TokenLimitChange(TypedDict, total=False):
    """What is absent stays; an amount of None removes the limit.  The window is a fixed one."""

    amount: int | None
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Team:
    """A tenant and its token limit.  None: it has none."""

    tenant: Tenant
    limit: StoredLimit | None


@dataclass(frozen=True, slots=True)
class Headcount:
    """A team, how many keys it has, and how many users have one of them."""

    tenant: Tenant
    keys: int
    users: int


@dataclass(frozen=True, slots=True)
class Member:
    """A user of a team, and since when."""

    tenant_id: str
    user_id: str
    email: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key, and the address of its user; "" if it has none."""

    key: Key
    email: str


class Teams(Protocol):
    """Each change is atomic, with an audit entry for everything that it changes, and its outbox rows.

    A policy that does not exist is created, without limits.  Raises what store.postgres.UNAVAILABLE lists; a change may
    then have been made, or not.
    """

    async def create(self, new: NewTenant, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        """TenantIdTaken, TenantNameTaken, NoTokenLimit."""

    async def update(self, team_id: str, change: TenantChange, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        """NoSuchTenant, NoTokenLimit; LimitNameTaken if what is called TOKEN_LIMIT is another kind of limit."""

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Headcount, ...]:
        """At most `limit` teams, ordered by id, after the given one; of one organization, as below, or of all."""

    async def count(self, organization: str | None = None) -> int:
        """How many teams there are."""

    async def by_ids(self, team_ids: Sequence[str], organization: str | None = None) -> tuple[Headcount, ...]:
        """The teams of these ids that exist, ordered by id."""

    async def keys(
        self, limit: int, team_id: str | None = None, user_id: str | None = None, organization: str | None = None
    ) -> tuple[HeldKey, ...]:
        """At most `limit` keys of a team, of a user, or of both, ordered by name."""

    async def members(
        self,
        limit: int,
        team_id: str | None = None,
        user_ids: Sequence[str] | None = None,
        organization: str | None = None,
    ) -> tuple[Member, ...]:
        """At most `limit` users of a team or of all, by id and team: those of these ids, or else those who have a
        key."""
