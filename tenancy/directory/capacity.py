"""Capacity: how many requests may be in flight, through each sidecar and in total.  The value and the port; no I/O.

Sidecars read the copy in Redis, which the outbox writes; enforcing it is ratelimit's business.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypedDict

from tenancy.directory.change_request import ChangeRequest


@dataclass(frozen=True, slots=True)
class Capacity:
    """None: not bounded.  `version` counts the changes."""

    max_in_flight: int | None = None
    max_in_flight_total: int | None = None
    version: int = 1
    updated_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def dump(self) -> str:
        """Compact JSON, as Redis keeps it."""
        bounds = {"max_in_flight": self.max_in_flight, "max_in_flight_total": self.max_in_flight_total}
        stored = {"version": self.version, **bounds, "updated_at": self.updated_at.isoformat()}
        return json.dumps(stored, separators=(",", ":"))

    @staticmethod
    def load(text: str | bytes) -> "Capacity":
        """What `dump` wrote, in this version or another; ValueError, KeyError or TypeError for anything else."""
        stored = json.loads(text)
        bounds = (stored.get("max_in_flight"), stored.get("max_in_flight_total"))
        return Capacity(*bounds, stored["version"], datetime.fromisoformat(stored["updated_at"]))


class CapacityChange(TypedDict, total=False):
    """Fields to change; an absent one stays, None removes the bound."""

    max_in_flight: int | None
    max_in_flight_total: int | None


class Capacities(Protocol):
    """The setting, of which there is one.  Raises what store.postgres.UNAVAILABLE lists."""

    async def get(self) -> Capacity:
        """As it is now."""

    async def update(self, change: CapacityChange, by: ChangeRequest) -> Capacity:
        """Atomic with its audit entry and outbox row.  StateChanged.  A change that changes nothing leaves no trace."""


def changed(before: Capacity, change: CapacityChange) -> Capacity:
    """`before` itself if the change changes nothing, else the next version."""
    after = replace(before, **change)
    return before if after == before else replace(after, version=before.version + 1)
