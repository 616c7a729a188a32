"""What has happened: usage with its costs, as they are frozen in the rows, and the audit log."""

from collections.abc import Sequence

from admin.access.permission import ResourceKind
from admin.commands.buckets import EARLIEST, LATEST
from admin.commands.session import Session, query
from ledger.sums import Group, Interval, Line, Selection
from tenancy.directory.audit import EVERYTHING, AuditEntry, AuditFilter
from tenancy.directory.tenants import NoSuchTenant


@query(ResourceKind.USAGE)
async def usage(
    session: Session,
    selection: Selection,
    intervals: Sequence[Interval],
    group_by: Sequence[str] = (),
    limit: int = 1,
    after: tuple[int, Group] | None = None,
) -> Sequence[Line]:
    """As ledger.sums.Sums has it.  A tenant must exist, or have used something once."""
    found = await session.ports.sums.sums(selection, intervals, group_by, limit, after)
    if not found and selection.tenant_id is not None:
        await check_tenant(session, selection.tenant_id)
    return found


@query(ResourceKind.USAGE)
async def largest(
    session: Session, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
) -> Sequence[Line]:
    """As ledger.sums.Sums has it."""
    return await session.ports.sums.largest(selection, interval, group_by, by, limit)


async def check_tenant(session: Session, tenant_id: str) -> None:
    """NoSuchTenant unless it exists, or has used something once.  Within a query."""
    if await session.ports.tenants.get(tenant_id) is not None:
        return
    if not await session.ports.sums.sums(Selection(tenant_id), [(EARLIEST, LATEST)]):
        raise NoSuchTenant(tenant_id)


@query(ResourceKind.AUDIT)
async def audit(
    session: Session, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
) -> tuple[AuditEntry, ...]:
    """At most `limit` changes of those that `only` takes, newest first, below the id."""
    return await session.ports.audit_log.newest(limit, before_id, only)
