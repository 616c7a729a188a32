"""Keys in the dictionaries of a MemoryTenants: the same answers as the Postgres adapter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.keys import Key, KeyChange, NewKey, NoSuchKey, action_of
from tenancy.directory.tenants import Position
from tenancy.directory.users import User
from tenancy.values.secret import prefix_of
from tests.tenancy.memory.tenants import MemoryTenants


class MemoryKeys:
    """Implements tenancy.directory.keys.Keys on the keys of a MemoryTenants."""

    def __init__(self, tenants: MemoryTenants) -> None:
        self._tenants, self._log = tenants, tenants.log
        self._retired: dict[str, dict[str, datetime]] = {}  # by key: when each old secret ends, by its prefix

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        self._tenants.count_up(tenant_id)
        now = datetime.now(UTC)
        self._make_user(tenant_id, new.user_id, new.user_email)
        key = Key(
            id=new.id,
            tenant_id=tenant_id,
            name=new.name,
            key_prefix=new.stored.prefix,
            user_id=new.user_id,
            disabled=new.disabled,
            models_allowed=new.models_allowed,
            tokens_per_minute=new.tokens_per_minute,
            max_in_flight=new.max_in_flight,
            requests_per_minute=new.requests_per_minute,
            expires_at=new.expires_at,
            last_used_at=None,
            overlap_until=None,
            created_at=now,
            updated_at=now,
        )
        self._tenants.keys[key.id] = key
        self._log.add(by, "create_api_key", ("api_key", key.id), None, snapshot(key))
        return key

    async def get(self, key_id: str) -> Key | None:
        return self._tenants.keys.get(key_id)

    async def by_secret(self, secret: str) -> Key | None:
        for key in self._tenants.keys.values():
            old = self._retired.get(key.id, {}).get(prefix_of(secret))
            if key.key_prefix == prefix_of(secret) or (old is not None and old > datetime.now(UTC)):
                return key
        return None

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
        organization: str | None = None,
    ) -> tuple[Key, ...]:
        keys = (
            key
            for key in self._tenants.keys.values()
            if tenant_id in (None, key.tenant_id)
            and name in ("", key.name)
            and organization in (None, self._tenants.tenants[key.tenant_id].organization)
            and any(x.startswith(prefix) for x in self._prefixes(key))
        )
        ordered = sorted(keys, key=lambda key: (key.created_at, key.id))
        return tuple(x for x in ordered if after is None or (x.created_at, x.id) > after)[:limit]

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        before = self._existing(key_id)
        require(by, before)
        changed = replace(before, **change)
        if changed == before:
            return before
        after = replace(changed, updated_at=datetime.now(UTC))
        self._make_user(after.tenant_id, after.user_id, None)
        self._tenants.keys[key_id] = after
        self._tenants.count_up(after.tenant_id)
        self._log.add(by, action_of(before, after), ("api_key", key_id), snapshot(before), snapshot(after))
        return after

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        before = self._existing(key_id)
        require(by, before)
        now = datetime.now(UTC)
        until = now + timedelta(seconds=overlap_seconds) if overlap_seconds else None
        old = {} if until is None else {**self._retired.get(key_id, {}), before.key_prefix: until}
        self._retired[key_id] = {prefix: min(until or now, end) for prefix, end in old.items()}
        after = replace(before, key_prefix=prefix_of(secret), overlap_until=until, updated_at=now)
        self._tenants.keys[key_id] = after
        self._tenants.count_up(after.tenant_id)
        self._log.add(by, "rotate_api_key", ("api_key", key_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        key = self._existing(key_id)
        require(by, key)
        if by.dry_run:
            return {"api_keys": 1, "limits": 0}
        del self._tenants.keys[key_id]
        self._tenants.count_up(key.tenant_id)
        self._log.add(by, "delete_api_key", ("api_key", key_id), snapshot(key), None)
        return {"api_keys": 1, "limits": 0}

    def _make_user(self, tenant_id: str, user_id: str | None, email: str | None) -> None:
        if user_id is not None:
            name = (tenant_id, user_id)
            user = self._tenants.users.get(name) or User(*name, "", None, None, datetime.now(UTC))
            self._tenants.users[name] = user if email is None else replace(user, email=email)

    def _prefixes(self, key: Key) -> tuple[str, ...]:
        return (key.key_prefix, *self._retired.get(key.id, ()))

    def _existing(self, key_id: str) -> Key:
        if key_id not in self._tenants.keys:
            raise NoSuchKey(key_id)
        return self._tenants.keys[key_id]
