"""Tenants that are made with their first key, and the default rate that they follow unless they get one of their own.

The default is of the configuration: a process that starts with another one gives it to every tenant that follows.
"""

from contextlib import suppress
from dataclasses import replace

from admin.commands import keys
from admin.commands.directory import TENANTS
from admin.commands.ports import Ports
from admin.commands.refusals import Refused
from admin.commands.session import Done, Session
from tenancy.directory.change_request import ChangeRequest, StateChanged, tag_of
from tenancy.directory.keys import NewKey
from tenancy.directory.tenants import NewTenant, NoSuchTenant, Tenant

ACTOR = "configuration"  # who changes what follows the default, in the audit log
PAGE = 1000


async def create_with_key(session: Session, new: NewTenant, key: NewKey) -> Done[Tenant]:
    """Creates a tenant with the default rate.  If its key cannot be created, the tenant is removed, as far as two
    changes allow."""
    rate = session.ports.configured.default_rate_limit
    made = await TENANTS.create(session, replace(new, requests_per_minute=rate, follows_default_rate=True))
    try:
        done = await keys.create(session, made.value.id, key)
    except Refused:
        with suppress(Refused):
            await TENANTS.delete(session, made.value.id)
        raise
    return replace(made, told=done.told)


async def follow(ports: Ports) -> int:
    """Gives the configured default to all tenants that follow it; returns how many have changed.  Does nothing without
    a default.  Raises what store.postgres.UNAVAILABLE lists."""
    rate, count, after = ports.configured.default_rate_limit, 0, None
    if rate is None:
        return 0
    while page := await ports.tenants.page(PAGE, after):
        for tenant in page:
            if tenant.follows_default_rate and tenant.requests_per_minute != rate:
                count += await _give(ports, tenant, rate)
        after = (page[-1].created_at, page[-1].id)
    if count:
        await ports.propagation.push()
    return count


async def _give(ports: Ports, tenant: Tenant, rate: int) -> bool:
    """Does nothing if somebody changes the tenant in the meantime: they know better, or the next start does it."""
    by = ChangeRequest(ACTOR, if_match=frozenset({tag_of(tenant)}))
    try:
        await ports.tenants.update(tenant.id, {"requests_per_minute": rate, "follows_default_rate": True}, by)
    except (StateChanged, NoSuchTenant):
        return False
    return True
