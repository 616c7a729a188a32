"""Tenants and users in dictionaries: the same answers as the Postgres adapters, for tests and experiments."""

from dataclasses import replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.keys import Key
from tenancy.directory.organizations import Plan, UnknownOrganization, require_room
from tenancy.directory.tenants import (
    DEFAULT_GROUP,
    NewTenant,
    NoSuchTenant,
    Position,
    Tenant,
    TenantChange,
    TenantIdTaken,
    TenantNameTaken,
    UnknownGroup,
    UnknownPolicy,
    changed,
)
from tenancy.directory.users import NewUser, NoSuchUser, User, UserHasKeys
from tests.tenancy.memory.audit import MemoryAuditLog


class MemoryTenants:
    """Implements tenancy.directory.tenants.Tenants.  Holds users and keys too: a tenant's deletion takes them along."""

    def __init__(
        self, log: MemoryAuditLog, groups: tuple[str, ...] = (DEFAULT_GROUP,), policies: tuple[str, ...] = ()
    ) -> None:
        self.log, self._groups, self._policies = log, groups, policies
        self.tenants: dict[str, Tenant] = {}
        self.keys: dict[str, Key] = {}
        self.users: dict[tuple[str, str], User] = {}
        self.plans: dict[str, Plan] = {}  # of organizations, by id

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        now = datetime.now(UTC)
        tenant = Tenant(
            id=new.id,
            name=new.name,
            fairshare_group=new.fairshare_group,
            weight=new.weight,
            tokens_per_minute=new.tokens_per_minute,
            requests_per_minute=new.requests_per_minute,
            max_in_flight=new.max_in_flight,
            status=new.status,
            policy=new.policy,
            metadata=new.metadata,
            version=1,
            display_name=new.display_name,
            description=new.description,
            created_at=now,
            updated_at=now,
            organization=new.organization,
            follows_default_rate=new.follows_default_rate,
        )
        if new.id in self.tenants:
            raise TenantIdTaken(new.id)
        self._check(tenant)
        self._require_room(new.organization)
        self.tenants[tenant.id] = tenant
        self.log.add(by, "create_tenant", ("tenant", tenant.id), None, snapshot(tenant))
        return tenant

    async def get(self, tenant_id: str) -> Tenant | None:
        return self.tenants.get(tenant_id)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        name: str = "",
        part: str = "",
        organization: str | None = None,
    ) -> tuple[Tenant, ...]:
        tenants = (
            tenant
            for tenant in self.tenants.values()
            if name in ("", tenant.name)
            and part.lower() in f"{tenant.name}\0{tenant.display_name}".lower()
            and organization in (None, tenant.organization)
        )
        ordered = sorted(tenants, key=lambda tenant: (tenant.created_at, tenant.id))
        return tuple(x for x in ordered if after is None or (x.created_at, x.id) > after)[:limit]

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        before = self.existing(tenant_id)
        require(by, before)
        wanted = changed(before, change)
        if wanted == before:
            return before
        self._check(wanted)
        after = replace(wanted, version=before.version + 1, updated_at=datetime.now(UTC))
        self.tenants[tenant_id] = after
        self.log.add(by, "update_tenant", ("tenant", tenant_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        tenant = self.existing(tenant_id)
        require(by, tenant)
        keys = sorted(key.id for key in self.keys.values() if key.tenant_id == tenant_id)
        users = sum(name[0] == tenant_id for name in self.users)
        deleted = {"tenants": 1, "users": users, "api_keys": len(keys), "limits": 0}
        if by.dry_run:
            return deleted
        del self.tenants[tenant_id]
        self.keys = {key.id: key for key in self.keys.values() if key.tenant_id != tenant_id}
        self.users = {name: user for name, user in self.users.items() if name[0] != tenant_id}
        self.log.add(by, "delete_tenant", ("tenant", tenant_id), {**snapshot(tenant), "api_keys": keys}, None)
        return deleted

    def existing(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.tenants:
            raise NoSuchTenant(tenant_id)
        return self.tenants[tenant_id]

    def count_up(self, tenant_id: str) -> None:
        tenant = self.existing(tenant_id)
        self.tenants[tenant_id] = replace(tenant, version=tenant.version + 1)

    def _require_room(self, organization: str | None) -> None:
        if organization is None:
            return
        if organization not in self.plans:
            raise UnknownOrganization(organization)
        theirs = [tenant for tenant in self.tenants.values() if tenant.organization == organization]
        require_room(self.plans[organization], len(theirs))

    def _check(self, tenant: Tenant) -> None:
        named = [other for other in self.tenants.values() if other.name == tenant.name and other.id != tenant.id]
        if any(other.organization == tenant.organization for other in named):
            raise TenantNameTaken(tenant.name)
        if tenant.fairshare_group not in self._groups:
            raise UnknownGroup(tenant.fairshare_group)
        if tenant.policy is not None and tenant.policy not in self._policies:
            raise UnknownPolicy(tenant.policy)


class MemoryUsers:
    """Implements tenancy.directory.users.Users on the users of a MemoryTenants."""

    def __init__(self, tenants: MemoryTenants) -> None:
        self._tenants, self._log = tenants, tenants.log

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        self._tenants.existing(tenant_id)
        before = self._tenants.users.get((tenant_id, new.id))
        require(by, before)
        created_at = before.created_at if before else datetime.now(UTC)
        after = User(tenant_id, new.id, new.email, new.tokens_per_minute, new.requests_per_minute, created_at)
        if after == before:
            return before
        self._tenants.users[tenant_id, new.id] = after
        self._tenants.count_up(tenant_id)
        action = "update_user" if before else "create_user"
        self._log.add(by, action, after.target, snapshot(before) if before else None, snapshot(after))
        return after

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        users = (user for user in self._tenants.users.values() if user.tenant_id == tenant_id and user.id > after)
        return tuple(sorted(users, key=lambda user: user.id))[:limit]

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        return self._tenants.users.get((tenant_id, user_id))

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        self._tenants.existing(tenant_id)
        user = self._tenants.users.get((tenant_id, user_id))
        if user is None:
            raise NoSuchUser(user_id)
        require(by, user)
        keys = sorted(x.id for x in self._tenants.keys.values() if (x.tenant_id, x.user_id) == (tenant_id, user_id))
        if keys and not cascade:
            raise UserHasKeys(user_id)
        if not by.dry_run:
            for key_id in keys:
                del self._tenants.keys[key_id]
            del self._tenants.users[tenant_id, user_id]
            self._tenants.count_up(tenant_id)
            self._log.add(by, "delete_user", user.target, {**snapshot(user), "api_keys": keys}, None)
        return {"users": 1, "api_keys": len(keys), "limits": 0}
