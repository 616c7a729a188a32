"""Tenants, keys, users and limits as one organization sees them.  See within.py."""

import asyncio
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace

from admin.commands.refusals import Reason, Refusal, Refused
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.keys import Key, KeyChange, Keys, NewKey, NoSuchKey
from tenancy.directory.stored_limits import InForce, LimitChange, Limits, LimitsInForce, NewLimit, StoredLimit
from tenancy.directory.tenants import NewTenant, NoSuchTenant, Position, Tenant, TenantChange, Tenants
from tenancy.directory.users import NewUser, User, Users
from tenancy.values.limit import Scope

# What the people of an organization may say of a tenant; what bounds it is the operators'.
THEIRS = frozenset({"name", "display_name", "description", "metadata"})
DEFAULT_RATE = {"follows_default_rate", "requests_per_minute"}
GIVEN = THEIRS | {"id", "organization"}
# Ids that were minted, by any surface: one that somebody chose might be another's.
MINTED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|xs_[a-z0-9]+_[a-z2-7]{8}|tenant_[0-9a-f]{12}")


def not_theirs(detail: str) -> Refused:
    return Refused(Refusal(Reason.FORBIDDEN, detail))


@dataclass(frozen=True, slots=True)
class Mine:
    """Which tenants are the organization's: a tenant never changes hands, so this can be asked before a change."""

    tenants: Tenants
    organization: str

    async def get(self, tenant_id: str) -> Tenant | None:
        found = await self.tenants.get(tenant_id)
        return found if found is not None and found.organization == self.organization else None

    async def require(self, tenant_id: str) -> None:
        """NoSuchTenant."""
        if await self.get(tenant_id) is None:
            raise NoSuchTenant(tenant_id)


@dataclass(frozen=True, slots=True)
class TenantsWithin:
    """Implements tenancy.directory.tenants.Tenants."""

    _mine: Mine

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        usual = NewTenant(new.name)
        changed = {each.name for each in fields(NewTenant) if getattr(new, each.name) != getattr(usual, each.name)}
        # Of those that follow the default rate it is the configuration's, not the caller's.
        given = GIVEN | DEFAULT_RATE if new.follows_default_rate else GIVEN
        _require_theirs(changed - given)
        if not MINTED.fullmatch(new.id):
            raise not_theirs("the ids of an organization's tenants cannot be chosen")
        return await self._mine.tenants.create(replace(new, organization=self._mine.organization), by)

    async def get(self, tenant_id: str) -> Tenant | None:
        return await self._mine.get(tenant_id)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        name: str = "",
        part: str = "",
        organization: str | None = None,
    ) -> tuple[Tenant, ...]:
        return await self._mine.tenants.page(limit, after, name, part, self._mine.organization)

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        await self._mine.require(tenant_id)
        _require_theirs(change.keys() - THEIRS)
        return await self._mine.tenants.update(tenant_id, change, by)

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        await self._mine.require(tenant_id)
        return await self._mine.tenants.delete(tenant_id, by)


@dataclass(frozen=True, slots=True)
class KeysWithin:
    """Implements tenancy.directory.keys.Keys."""

    _mine: Mine
    _inner: Keys

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        await self._mine.require(tenant_id)
        return await self._inner.create(tenant_id, new, by)

    async def get(self, key_id: str) -> Key | None:
        return await self._own(await self._inner.get(key_id))

    async def by_secret(self, secret: str) -> Key | None:
        return await self._own(await self._inner.by_secret(secret))

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
        organization: str | None = None,
    ) -> tuple[Key, ...]:
        return await self._inner.page(limit, after, tenant_id, prefix, name, self._mine.organization)

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        await self._require(key_id)
        return await self._inner.update(key_id, change, by)

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        await self._require(key_id)
        return await self._inner.rotate(key_id, secret, overlap_seconds, by)

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        await self._require(key_id)
        return await self._inner.delete(key_id, by)

    async def _own(self, found: Key | None) -> Key | None:
        return found if found is not None and await self._mine.get(found.tenant_id) is not None else None

    async def _require(self, key_id: str) -> None:
        if await self.get(key_id) is None:
            raise NoSuchKey(key_id)


@dataclass(frozen=True, slots=True)
class UsersWithin:
    """Implements tenancy.directory.users.Users."""

    _mine: Mine
    _inner: Users

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        await self._mine.require(tenant_id)
        return await self._inner.put(tenant_id, new, by)

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        return await self._inner.get(tenant_id, user_id) if await self._mine.get(tenant_id) is not None else None

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        return await self._inner.page(tenant_id, limit, after) if await self._mine.get(tenant_id) is not None else ()

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        await self._mine.require(tenant_id)
        return await self._inner.delete(tenant_id, user_id, by, cascade=cascade)


@dataclass(frozen=True, slots=True)
class LimitsWithin:
    """Implements tenancy.directory.stored_limits.Limits, to be read."""

    _mine: Mine
    _inner: Limits

    async def create(self, new: NewLimit, by: ChangeRequest) -> StoredLimit:
        raise not_theirs(OPERATORS_LIMITS)

    async def get(self, limit_id: str) -> StoredLimit | None:
        found = await self._inner.get(limit_id)
        mine = found is not None and found.tenant_id is not None and await self._mine.get(found.tenant_id) is not None
        return found if mine else None

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        group: str | None = None,
        name: str = "",
        organization: str | None = None,
    ) -> tuple[StoredLimit, ...]:
        return await self._inner.page(limit, after, tenant_id, group, name, self._mine.organization)

    async def update(self, limit_id: str, change: LimitChange, by: ChangeRequest) -> StoredLimit:
        raise not_theirs(OPERATORS_LIMITS)

    async def delete(self, limit_id: str, by: ChangeRequest) -> Deleted:
        raise not_theirs(OPERATORS_LIMITS)


@dataclass(frozen=True, slots=True)
class LimitsInForceWithin:
    """Implements tenancy.directory.stored_limits.LimitsInForce, without a group's: others spend from those too."""

    _mine: Mine
    _inner: LimitsInForce

    async def of_tenant(self, tenant_id: str, key_id: str | None = None, user_id: str | None = None) -> InForce:
        await self._mine.require(tenant_id)
        return _without_group(await self._inner.of_tenant(tenant_id, key_id, user_id))

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, InForce]:
        mine = [each.id for each in await asyncio.gather(*map(self._mine.get, tenant_ids)) if each is not None]
        return {id: _without_group(found) for id, found in (await self._inner.of_tenants(mine)).items()}


def _without_group(found: InForce) -> InForce:
    return replace(found, limits=tuple(limit for limit in found.limits if limit.scope is not Scope.GROUP))


OPERATORS_LIMITS = "limits are set by the operators of the service"


def _require_theirs(others: Set[str]) -> None:
    if others:
        raise not_theirs(f"{', '.join(sorted(others))}: set by the operators of the service")
