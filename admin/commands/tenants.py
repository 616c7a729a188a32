"""Tenants: what they have beyond directory.py."""

from admin.access.permission import ResourceKind
from admin.commands.session import Session, query
from tenancy.directory.tenants import Position, Tenant


@query(ResourceKind.TENANT)
async def page(at: Session, limit: int, after: Position | None = None, name: str = "") -> tuple[Tenant, ...]:
    """At most `limit` tenants, oldest first, after the position; with a `name` only the one called so."""
    return await at.ports.tenants.page(limit, after, name)
