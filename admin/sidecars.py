"""What the sidecars say of themselves, as answers show it: for /stats, /capacity and /fairshare/live.  No route."""

from collections.abc import Sequence

from admin.fields import View
from ratelimit.fleet.report import Aged
from tenancy.directory.capacity import Capacity


class SidecarView(View):
    """One sidecar, as of its last report, which is `age_seconds` old.  `max_in_flight` is what it enforces now, null
    without a bound; `bound_by` says which bound that is: `sidecar:in_flight` or its share of `all:in_flight`."""

    sidecar: str
    host: str
    version: str
    started_at: str
    age_seconds: float
    in_flight: int
    queued: int
    max_in_flight: int | None
    bound_by: str
    capacity_version: int
    admitted: int
    refused: int
    refused_capacity: int
    redis_available: bool


def shown(aged: Aged) -> dict[str, object]:
    report = aged.report
    fields = {name: getattr(report, name) for name in SidecarView.model_fields if name != "age_seconds"}
    return {**fields, "age_seconds": round(aged.age_seconds, 3)}


def together(reports: Sequence[Aged], name: str) -> int:
    """A figure of the reports, summed."""
    return sum(getattr(aged.report, name) for aged in reports)


def bound_on_all(capacity: Capacity, sidecars: int) -> int | None:
    """How many requests may be in flight through so many sidecars; None: as many as come."""
    own = None if capacity.max_in_flight is None else capacity.max_in_flight * sidecars
    bounds = [bound for bound in (own, capacity.max_in_flight_total) if bound is not None]
    return min(bounds, default=None)
