"""The sidecars that run now, by their own reports, and how many requests may be in flight through them."""

from collections.abc import Sequence

from admin.access.permission import ResourceKind
from admin.commands.session import Session, command, query
from ratelimit.fleet.report import Aged, Overview
from tenancy.directory.capacity import Capacity, CapacityChange


@query(ResourceKind.SIDECAR)
async def overview(session: Session) -> Overview:
    return await session.ports.reports.overview()


@query(ResourceKind.CAPACITY)
async def capacity(session: Session) -> Capacity:
    """The configured capacity; what each sidecar enforces is in its report."""
    return await session.ports.capacities.get()


@command(ResourceKind.CAPACITY)
async def set_capacity(session: Session, change: CapacityChange) -> Capacity:
    return await session.ports.capacities.update(change, session.by)


def together(reports: Sequence[Aged], name: str) -> int:
    """A figure of the reports, summed."""
    return sum(getattr(aged.report, name) for aged in reports)


def bound_on_all(capacity: Capacity, sidecars: int) -> int | None:
    """How many requests may be in flight through that number of sidecars; None: any number."""
    own = None if capacity.max_in_flight is None else capacity.max_in_flight * sidecars
    bounds = [bound for bound in (own, capacity.max_in_flight_total) if bound is not None]
    return min(bounds, default=None)
