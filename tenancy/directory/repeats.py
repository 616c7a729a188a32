"""Creates that are asked for again: what came of an Idempotency-Key.  The value and the reading port; no SQL, no HTTP.

A claim is written in the transaction of its create (see change_postgres), so there is no method here to add one.  What
is kept is the created value as the audit log shows it: never a secret, which is therefore not shown a second time.
"""

from dataclasses import dataclass, field
from typing import Protocol

from tenancy.directory.audit import Snapshot


@dataclass(frozen=True, slots=True)
class Repeat:
    """What the first request with this key asked for, and what it made."""

    fingerprint: str
    target_type: str
    target_id: str
    response: Snapshot


class Repeats(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def find(self, actor: str, key: str) -> Repeat | None:
        """None if the actor has not created anything under this key within the last day."""


@dataclass(slots=True)
class MemoryRepeats:
    """Filled by hand."""

    repeats: dict[tuple[str, str], Repeat] = field(default_factory=dict)

    async def find(self, actor: str, key: str) -> Repeat | None:
        return self.repeats.get((actor, key))
