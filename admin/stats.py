"""/stats: what is going on now, by the sidecars' own reports."""

from fastapi import APIRouter

from admin.fields import View
from admin.services import Use
from admin.sidecars import SidecarView, bound_on_all, shown, together
from tenancy.directory.capacity import Capacity

router = APIRouter(prefix="/stats", tags=["runtime"])


class StatsView(View):
    """All sidecars together, then each.  Counts are since the start of each sidecar.  `max_in_flight` null: no bound.
    A sidecar that has not reported for 5 s is left out."""

    in_flight: int
    queued: int
    max_in_flight: int | None
    admitted: int
    refused: int
    refused_capacity: int
    sidecars: list[SidecarView]


@router.get("", response_model=StatsView)
async def get_stats(use: Use) -> dict[str, object]:
    """Shows what is in flight, as of each sidecar's last report."""
    overview = await use.reports.overview()
    reports = overview.reports
    return {
        "in_flight": together(reports, "in_flight"),
        "queued": together(reports, "queued"),
        "max_in_flight": bound_on_all(overview.capacity or Capacity(), len(reports)),
        "admitted": together(reports, "admitted"),
        "refused": together(reports, "refused"),
        "refused_capacity": together(reports, "refused_capacity"),
        "sidecars": [shown(aged) for aged in reports],
    }
