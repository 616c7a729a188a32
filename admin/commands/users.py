"""The users within a tenant, who are known by the tenant's id and their own."""

from admin.access.permission import ResourceKind
from admin.commands.directory import TENANTS, USERS
from admin.commands.session import Session, command, query
from tenancy.directory.change_request import Deleted
from tenancy.directory.users import NewUser, NoSuchUser, User


@query(ResourceKind.USER)
async def page(session: Session, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
    """At most `limit` users of a tenant by id, after the given one."""
    await TENANTS.get(session, tenant_id)
    return await session.ports.users.page(tenant_id, limit, after)


@query(ResourceKind.USER)
async def get(session: Session, tenant_id: str, user_id: str) -> User:
    found = await session.ports.users.get(TENANTS.id(tenant_id), USERS.id(user_id))
    if found is None:
        await TENANTS.get(session, tenant_id)
        raise NoSuchUser(user_id)
    return found


@command(ResourceKind.USER)
async def put(session: Session, tenant_id: str, new: NewUser) -> User:
    """Makes the user, or replaces it."""
    USERS.chosen(new.id)
    return await session.ports.users.put(TENANTS.id(tenant_id), new, session.by)


@command(ResourceKind.USER)
async def delete(session: Session, tenant_id: str, user_id: str, *, cascade: bool) -> Deleted:
    """IN_USE while the user has keys, unless `cascade` deletes them too."""
    return await session.ports.users.delete(TENANTS.id(tenant_id), USERS.id(user_id), session.by, cascade=cascade)
