"""The audit log: who changed what, when, from where.  Values and the reading port.

Entries are written in the transaction of the change itself (see change_postgres), never by themselves, so there is no
method here to add one.  `before` and `after` are the public values of this package: none holds a secret or a hash.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Snapshot = Mapping[str, Any]  # a value's fields, ready for JSON


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A create that may be asked for again: the caller's key, and a digest of everything that it asks for."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Where a change comes from: the principal's name, its network address, the request's id.  And its terms:

    `if_match`: only to a value in one of these states (see terms.py); `dry_run`: say what would go, keep it all.
    """

    actor: str
    source: str = ""
    request_id: str = ""
    if_match: frozenset[str] | None = None
    idempotency: Idempotency | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are meant; None: all.  `since` is included, `until` is not."""

    actor: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, entry: "AuditEntry") -> bool:
        names = ("actor", "action", "target_type", "target_id")
        wanted = ((getattr(self, name), getattr(entry, name)) for name in names)
        return (
            all(want in (None, has) for want, has in wanted)
            and (self.since is None or entry.ts >= self.since)
            and (self.until is None or entry.ts < self.until)
        )


EVERYTHING = AuditFilter()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change.  `before` is None for a creation, `after` for a deletion."""

    id: int
    ts: datetime
    actor: str
    action: str
    target_type: str
    target_id: str
    before: Snapshot | None
    after: Snapshot | None
    source: str
    request_id: str


class AuditLog(Protocol):
    """Reads the log.  Raises what store.postgres.UNAVAILABLE lists when it cannot be asked."""

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        """At most `limit` entries, newest first, of those with an id below `before_id` that `only` takes."""


def snapshot(value: "DataclassInstance") -> dict[str, Any]:
    """The fields of a value as JSON takes them; times in RFC 3339, decimals as text."""
    return {name: _plain(each) for name, each in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


@dataclass(slots=True)
class MemoryAuditLog:
    """Keeps entries in a list; the Memory ports of this package add to it."""

    entries: list[AuditEntry] = field(default_factory=list)

    def add(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> None:
        number, now = len(self.entries) + 1, datetime.now(UTC)
        self.entries.append(AuditEntry(number, now, by.actor, action, *target, before, after, by.source, by.request_id))

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        older = (entry for entry in reversed(self.entries) if before_id is None or entry.id < before_id)
        return tuple(entry for entry, _ in zip(filter(only.takes, older), range(limit), strict=False))
