"""/fairshare/live: who runs how much now, beside what their weights entitle them to."""

from typing import Any

from fastapi import APIRouter
from pydantic import model_validator

from admin.api.call import Reading
from admin.api.derived import view_of
from admin.api.resources.rules import ShownAmount
from admin.api.sidecars import ReportedView
from admin.commands.budgets import Budget
from admin.commands.queries import live
from admin.fields import View
from tenancy.values.limit import Unit

router = APIRouter(prefix="/fairshare/live", tags=["fairshare"])


class ReportView(ReportedView):
    """The sidecar that reported the figures, and the age of its report.  `tenants_in_flight` counts the tenants with
    requests in flight there."""

    sidecar: str
    age_seconds: float
    in_flight: int
    queued: int
    tenants_in_flight: int


class LiveBudget(View):
    """The current state of a budget.  `fill` is the part that is left, 0 to 1."""

    limit: str
    unit: Unit
    amount: ShownAmount
    remaining: ShownAmount
    fill: float

    @model_validator(mode="before")
    @classmethod
    def _of_budget(cls, budget: Budget) -> dict[str, Any]:
        return {**budget.fields(), "fill": live.part(budget.remaining, budget.limit.amount)}


LiveTenant = view_of(
    live.LiveTenant,
    "LiveTenant",
    """A tenant with something in flight or queued.  Its shares are of everything, as its group's are.  `budgets` are
looked up for the 20 tenants with most in flight, null for the others.""",
    budgets=(list[LiveBudget] | None, None),
)
LiveView = view_of(
    live.Live,
    "LiveView",
    "A snapshot of what is in flight.  `tenants` are the 100 with most in flight, of the 50 with most in each sidecar.",
    tenants=list[LiveTenant],  # type: ignore[valid-type] # made above
    sidecars=list[ReportView],
)


@router.get("", response_model=LiveView)
async def get_live(call: Reading) -> live.Live:
    """Shows what each group and tenant has in flight, as of the sidecars' last reports."""
    return await live.live(call.session)
