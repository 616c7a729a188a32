"""The audit log: who changed what, when, and from where.  Values and the reading port; no SQL, no HTTP.

Entries are written in the transaction of the change itself, never on their own, so there is no method here to add one.
`before` and `after` are values of this package, none of which holds a secret or a hash.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Snapshot = Mapping[str, Any]  # a value's fields, ready for JSON


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to return; None: any.  `since` is inclusive, `until` exclusive.  `organization`: whose people made
    the change."""

    actor: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    organization: str | None = None


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
    """Reads the log.  Raises what store.postgres.UNAVAILABLE lists."""

    async def newest(
        self, limit: int, before_id: int | None = None, only: AuditFilter = EVERYTHING
    ) -> tuple[AuditEntry, ...]:
        """At most `limit` entries that match `only`, newest first; with `before_id` only those with a lower id."""


def snapshot(value: "DataclassInstance") -> dict[str, Any]:
    """The fields of a value as JSON takes them; times in RFC 3339, decimals as text."""
    return {name: _plain(each) for name, each in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        named = getattr(value, "_asdict", None)
        return [*map(_plain, value)] if named is None else _plain(named())
    return format(value, "f") if isinstance(value, Decimal) else value
