"""What was used and what it cost, by tenant, key, user or model, and over time.  Costs are those frozen in the rows."""

from collections.abc import Sequence

from admin.access.permission import ResourceKind
from admin.commands.buckets import EARLIEST, LATEST
from admin.commands.session import Session, query
from ledger.sums import Group, Interval, Line, Selection
from tenancy.directory.tenants import NoSuchTenant


@query(ResourceKind.USAGE)
async def sums(
    at: Session,
    selection: Selection,
    intervals: Sequence[Interval],
    group_by: Sequence[str] = (),
    limit: int = 1,
    after: tuple[int, Group] | None = None,
) -> Sequence[Line]:
    """As ledger.sums.Sums has them.  A tenant must exist, or have used something once."""
    found = await at.ports.sums.sums(selection, intervals, group_by, limit, after)
    if not found and selection.tenant_id is not None:
        await _check_tenant(at, selection.tenant_id)
    return found


async def _check_tenant(at: Session, tenant_id: str) -> None:
    if await at.ports.tenants.get(tenant_id) is not None:
        return
    if not await at.ports.sums.sums(Selection(tenant_id), [(EARLIEST, LATEST)]):
        raise NoSuchTenant(tenant_id)
