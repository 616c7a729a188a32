"""All that budgets count, of all tenants: their limits, since when each counts, and what operators gave back.

Used to compare budgets with what was spent.  Values and the reading port; no SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from tenancy.values.limit import Limit


class DatedLimit(NamedTuple):
    """A limit, and when it was made: what was spent before is not counted.  One of scope key or user without a subject
    holds for each of the tenant's."""

    limit: Limit
    since: datetime


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What a tenant's requests are counted against, its group's limits among it."""

    tenant_id: str
    fairshare_group: str
    limits: tuple[DatedLimit, ...]


class BudgetChange(NamedTuple):
    """An operator reset a budget (`given_back` None) or gave a number of units back; below zero, charged."""

    tenant_id: str
    budget: str
    at: datetime
    given_back: int | None


class Census(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def limits(self, tenant_id: str | None = None) -> Sequence[TenantLimits]:
        """Of every tenant, or of one (empty if there is none).  Shadows, which never refuse, are left out."""

    async def changes(self, since: datetime) -> Sequence[BudgetChange]:
        """Oldest first."""
