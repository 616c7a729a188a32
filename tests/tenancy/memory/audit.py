"""The audit log in a list; the other Memory ports of this directory add to it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tenancy.directory.audit import EVERYTHING, AuditEntry, AuditFilter, Snapshot
from tenancy.directory.change_request import ChangeRequest

EXACT = ("actor", "action", "target_type", "target_id")


@dataclass(slots=True)
class MemoryAuditLog:
    """Implements tenancy.directory.audit.AuditLog."""

    entries: list[AuditEntry] = field(default_factory=list)
    _organizations: dict[int, str | None] = field(default_factory=dict)

    def add(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> None:
        number, now = len(self.entries) + 1, datetime.now(UTC)
        self.entries.append(AuditEntry(number, now, by.actor, action, *target, before, after, by.source, by.request_id))
        self._organizations[number] = by.organization

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        older = (entry for entry in reversed(self.entries) if before_id is None or entry.id < before_id)
        theirs = (each for each in older if only.organization in (None, self._organizations[each.id]))
        return tuple(entry for entry in theirs if _matches(entry, only))[:limit]


def _matches(entry: AuditEntry, only: AuditFilter) -> bool:
    return (
        all(getattr(only, name) in (None, getattr(entry, name)) for name in EXACT)
        and (only.since is None or entry.ts >= only.since)
        and (only.until is None or entry.ts < only.until)
    )
