"""Carrying out a plan: makes what is not there, changes nothing that is.  Each part is a transaction, so that
one which fails costs the others nothing, and an import that was cut off can be repeated.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import asyncpg

from store.postgres import UNAVAILABLE, PostgresPool
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.keys import NewKey, SecretTaken
from tenancy.directory.stored_limits import NewLimit
from tenancy.directory.tenants import NewTenant, TenantNameTaken
from tenancy.directory.users import NewUser
from tenancy.postgres.keys import PostgresKeys
from tenancy.postgres.limits import PostgresLimits
from tenancy.postgres.people.users import PostgresUsers
from tenancy.postgres.tenants import PostgresTenants
from tollkeeper.imports.plan import Left, Plan, printable

TENANTS, USERS, KEYS, LIMITS = "tenants", "users", "keys", "limits"
IS_THERE = "SELECT EXISTS (SELECT 1 FROM key_secrets WHERE key_hash = $1)"


@dataclass
class Done:
    """How many of each kind were made (in a dry run: would be), how many existed, and what was left out."""

    made: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)


class Importer:
    """Raises store.postgres.UNAVAILABLE: then repeat the import."""

    def __init__(self, pool: PostgresPool, by: ChangeRequest) -> None:
        self._pool, self._by, self._done = pool, by, Done()
        self._tenants, self._users = PostgresTenants(pool), PostgresUsers(pool)
        self._keys, self._limits = PostgresKeys(pool), PostgresLimits(pool)

    async def run(self, plan: Plan) -> Done:
        self._done.left = [*plan.left]
        for tenant in plan.tenants:
            await self._one(TENANTS, tenant.name, self._has_tenant(tenant), partial(self._tenant, tenant))
        for tenant_id, user in plan.users:
            await self._one(USERS, user.id, self._has_user(tenant_id, user), partial(self._user, tenant_id, user))
        of_key = defaultdict[str | None, list[NewLimit]](list)
        for limit in plan.limits:
            of_key[limit.key_id].append(limit)
        await self._limits_of(of_key.pop(None, ()))
        for tenant_id, key in plan.keys:
            await self._one(KEYS, key.name, self._has_key(key), partial(self._keys.create, tenant_id, key, self._by))
            await self._limits_of(of_key.pop(key.id, ()))  # at once: without them the key is not limited
        await self._limits_of(limit for limits in of_key.values() for limit in limits)
        return self._done

    async def _limits_of(self, limits: Iterable[NewLimit]) -> None:
        for limit in limits:
            await self._one(LIMITS, limit.name, self._has_limit(limit), partial(self._limits.create, limit, self._by))

    async def _one(
        self, kind: str, name: str, is_there: Awaitable[bool], make: Callable[[], Awaitable[object]]
    ) -> None:
        try:
            if await is_there:
                self._done.there[kind] += 1
                return
            if not self._by.dry_run:
                await make()
            self._done.made[kind] += 1
        except SecretTaken:
            self._done.there[kind] += 1
        except UNAVAILABLE:
            raise
        except (LookupError, ValueError, asyncpg.PostgresError) as error:
            what = f"{kind.removesuffix('s')} {printable(name)}"
            self._done.left.append(Left(what, f"{type(error).__name__}: {printable(error)}"))

    async def _has_tenant(self, new: NewTenant) -> bool:
        return await self._tenants.get(new.id) is not None

    async def _has_user(self, tenant_id: str, new: NewUser) -> bool:
        return await self._users.get(tenant_id, new.id) is not None

    async def _has_key(self, new: NewKey) -> bool:
        return bool(await self._pool.fetchval(IS_THERE, new.stored.key_hash))

    async def _has_limit(self, new: NewLimit) -> bool:
        return await self._limits.get(new.id) is not None

    async def _tenant(self, new: NewTenant) -> None:
        try:
            await self._tenants.create(new, self._by)
        except TenantNameTaken:
            await self._tenants.create(replace(new, name=f"{new.name} ({new.id})"), self._by)

    async def _user(self, tenant_id: str, new: NewUser) -> None:
        await self._users.put(tenant_id, new, self._by)
