"""/stats: what is going on now, by the sidecars' own reports."""

from fastapi import APIRouter

from admin.api.call import Reading
from admin.api.sidecars import SidecarView
from admin.commands.queries import sidecars
from admin.fields import View
from tenancy.directory.capacity import Capacity

router = APIRouter(prefix="/stats", tags=["runtime"])

SUMMED = ("in_flight", "queued", "admitted", "refused", "refused_capacity")


class StatsView(View):
    """The sums of all sidecars, then each sidecar.  `oldest_wait_seconds` is the longest wait of a queued
    request, 0 if none is queued.
    Counts are since the start of each sidecar.  `max_in_flight` null: no bound.
    A sidecar that has not reported for 5 s is left out."""

    in_flight: int
    queued: int
    oldest_wait_seconds: float
    max_in_flight: int | None
    admitted: int
    refused: int
    refused_capacity: int
    sidecars: list[SidecarView]


@router.get("", response_model=StatsView)
async def get_stats(call: Reading) -> dict[str, object]:
    """Shows what is in flight, as of each sidecar's last report."""
    overview = await sidecars.overview(call.session)
    bound = sidecars.bound_on_all(overview.capacity or Capacity(), len(overview.reports))
    sums: dict[str, float] = {name: sidecars.together(overview.reports, name) for name in SUMMED}
    waits = [group.oldest_wait_seconds for aged in overview.reports for group in aged.report.groups]
    sums["oldest_wait_seconds"] = round(max(waits, default=0.0), 3)
    return {**sums, "max_in_flight": bound, "sidecars": overview.reports}
