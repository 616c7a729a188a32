"""What the key manager shows of teams, users and keys: fields and their order are those of its document."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from admin.commands.teams import status_of
from admin.dialects.key_manager.windows import window_of
from admin.fields import rfc3339
from tenancy.directory.stored_limits import StoredLimit
from tenancy.directory.teams import Headcount, HeldKey, Member
from tenancy.directory.tenants import Tenant

ROLE = "member"  # of every user: users of a team have no rights over it


def name_of(tenant: Tenant) -> str:
    return tenant.display_name or tenant.name


def policy_of(tenant: Tenant) -> str:
    return tenant.policy or ""


def called(tenant: Tenant) -> dict[str, str]:
    return {"team_id": tenant.id, "team_name": name_of(tenant)}


def team(of: Headcount, **names: Sequence[str]) -> dict[str, Any]:
    """As lists have it; with the `names` of keys, as it is shown by itself."""
    tenant = of.tenant
    return {
        "created_at": rfc3339(tenant.created_at),
        "description": tenant.description,
        "key_count": of.keys,
        **names,
        "policy": policy_of(tenant),
        **called(tenant),
        "user_count": of.users,
    }


def token_limit(limit: StoredLimit | None) -> dict[str, Any]:
    if limit is None:
        return {"token_limit": None, "time_window": None}
    return {"token_limit": limit.amount, "time_window": window_of(limit)}


def member(of: Member, tenant: Tenant) -> dict[str, str]:
    return {
        "user_id": of.user_id,
        "user_email": of.email,
        "role": ROLE,
        **called(tenant),
        "joined_at": rfc3339(of.joined_at),
        "policy": policy_of(tenant),
    }


def key_of_team(held: HeldKey, tenant: Tenant) -> dict[str, str]:
    return {**_key(held, tenant), "user_email": held.email, "user_id": held.key.user_id or ""}


def key_of_user(held: HeldKey, tenants: Mapping[str, Headcount]) -> dict[str, str]:
    tenant = tenants[held.key.tenant_id].tenant
    return {**_key(held, tenant), **called(tenant), "user_email": held.email}


def _key(held: HeldKey, tenant: Tenant) -> dict[str, str]:
    key = held.key
    return {
        "created_at": rfc3339(key.created_at),
        "models_allowed": ",".join(key.models_allowed or ()),
        "policy": policy_of(tenant),
        "role": ROLE,
        "secret_name": key.name,
        "status": status_of(key, datetime.now(UTC)),
    }
