"""Teams as one organization sees them.  See within.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from admin.commands.organizations.within_tenants import OPERATORS_LIMITS, THEIRS, Mine, not_theirs
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.teams import Headcount, HeldKey, Member, Team, Teams, TokenLimitChange
from tenancy.directory.tenants import NewTenant, TenantChange


@dataclass(frozen=True, slots=True)
class TeamsWithin:
    """Implements tenancy.directory.teams.Teams, without what bounds a team."""

    _mine: Mine
    _inner: Teams

    async def create(self, new: NewTenant, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        raise not_theirs("the ids of an organization's tenants cannot be chosen")

    async def update(self, team_id: str, change: TenantChange, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        await self._mine.require(team_id)
        if limit or change.keys() - THEIRS:
            raise not_theirs(OPERATORS_LIMITS)
        return await self._inner.update(team_id, change, limit, by)

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Headcount, ...]:
        return await self._inner.page(limit, after, self._mine.organization)

    async def count(self, organization: str | None = None) -> int:
        return await self._inner.count(self._mine.organization)

    async def by_ids(self, team_ids: Sequence[str], organization: str | None = None) -> tuple[Headcount, ...]:
        return await self._inner.by_ids(team_ids, self._mine.organization)

    async def keys(
        self, limit: int, team_id: str | None = None, user_id: str | None = None, organization: str | None = None
    ) -> tuple[HeldKey, ...]:
        return await self._inner.keys(limit, team_id, user_id, self._mine.organization)

    async def members(
        self,
        limit: int,
        team_id: str | None = None,
        user_ids: Sequence[str] | None = None,
        organization: str | None = None,
    ) -> tuple[Member, ...]:
        return await self._inner.members(limit, team_id, user_ids, self._mine.organization)
