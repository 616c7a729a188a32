"""The audit log: every change that was made, newest first."""

from admin.access.permission import ResourceKind
from admin.commands.session import Session, query
from tenancy.directory.audit import EVERYTHING, AuditEntry, AuditFilter


@query(ResourceKind.AUDIT)
async def newest(
    at: Session, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
) -> tuple[AuditEntry, ...]:
    """At most `limit` entries of those that `only` takes, below the id."""
    return await at.ports.audit_log.newest(limit, before_id, only)
