"""/fairshare/live: who runs how much now, beside what their weights entitle them to."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter

from admin.budgets import budgets_of
from admin.fields import View
from admin.limits import ShownAmount, shown_amount
from admin.services import Services, Use
from admin.sharing import IDLE, entitled, group_loads, last_known, part, tenant_loads
from admin.sidecars import together
from admin.standings import Standing
from ratelimit.fleet.report import Aged, TenantLoad
from tenancy.directory.tenants import NoSuchTenant
from tenancy.values.limit import Limit, Unit

router = APIRouter(prefix="/fairshare/live", tags=["fairshare"])

MAX_TENANTS = 100  # shown, those with most in flight
MAX_LOOKED_UP = 20  # each costs a round trip to either store
MAX_GROUPS = 1000


class ReportView(View):
    """Whose report the figures are from, and how old it is.  `tenants_in_flight`: how many run something there."""

    sidecar: str
    age_seconds: float
    in_flight: int
    queued: int
    tenants_in_flight: int


class LiveGroup(View):
    """A fairshare group.  `share` is its part of what is in flight; `entitled_share` is its weight among those of the
    groups that have something in flight or queued, 0 if it has not."""

    name: str
    weight: int
    in_flight: int
    queued: int
    share: float
    entitled_share: float


class LiveBudget(View):
    """A budget now; `fill` is the part of it that is left, 0 to 1."""

    limit: str
    unit: Unit
    amount: ShownAmount
    remaining: ShownAmount
    fill: float


class LiveTenant(View):
    """A tenant with something in flight or queued.  Its shares are of everything, as its group's are.  `budgets` are
    looked up for the 20 tenants with most in flight, null for the others."""

    tenant_id: str
    name: str | None
    fairshare_group: str
    weight: int
    max_in_flight: int | None
    in_flight: int
    queued: int
    share: float
    entitled_share: float
    budgets: list[LiveBudget] | None = None


class LiveView(View):
    """A snapshot.  `tenants` are the 100 with most in flight, of the 50 with most in each sidecar."""

    in_flight: int
    queued: int
    groups: list[LiveGroup]
    tenants: list[LiveTenant]
    sidecars: list[ReportView]


@router.get("", response_model=LiveView)
async def get_live(use: Use) -> dict[str, object]:
    """Shows what each group and tenant has in flight, as of the sidecars' last reports."""
    reports = (await use.reports.overview()).reports
    loads = tenant_loads(reports)
    standings = await use.standings.of_tenants([*loads])
    groups = _groups(reports, await use.standings.of_groups(MAX_GROUPS))
    tenants = _tenants(reports, standings, {group.name: group.entitled_share for group in groups})
    for tenant in tenants[:MAX_LOOKED_UP]:
        tenant.budgets = await _budgets(use, tenant.tenant_id)
    return {
        "in_flight": together(reports, "in_flight"),
        "queued": together(reports, "queued"),
        "groups": groups,
        "tenants": tenants,
        "sidecars": [_report(aged) for aged in reports],
    }


def _groups(reports: Sequence[Aged], weights: Mapping[str, int]) -> list[LiveGroup]:
    loads, total = group_loads(reports), together(reports, "in_flight")
    due = entitled({name: weight for name, weight in weights.items() if loads.get(name, IDLE).active})
    return [
        LiveGroup(
            name=name,
            weight=weight,
            in_flight=(load := loads.get(name, IDLE)).in_flight,
            queued=load.queued,
            share=part(load.in_flight, total),
            entitled_share=due.get(name, 0.0),
        )
        for name, weight in weights.items()
    ]


def _tenants(
    reports: Sequence[Aged], standings: Mapping[str, Standing], groups: Mapping[str, float]
) -> list[LiveTenant]:
    loads, total = tenant_loads(reports), together(reports, "in_flight")
    known = {each.tenant_id: standings.get(each.tenant_id) or _deleted(each) for each in last_known(reports).values()}
    weights: dict[str, dict[str, int]] = {}
    for tenant_id, standing in known.items():
        weights.setdefault(standing.fairshare_group, {})[tenant_id] = standing.weight
    due = {name: entitled(members, groups.get(name, 0.0)) for name, members in weights.items()}
    return [
        LiveTenant(
            tenant_id=tenant_id,
            name=(standing := known[tenant_id]).name or None,
            fairshare_group=standing.fairshare_group,
            weight=standing.weight,
            max_in_flight=standing.max_in_flight,
            in_flight=load.in_flight,
            queued=load.queued,
            share=part(load.in_flight, total),
            entitled_share=due[standing.fairshare_group][tenant_id],
        )
        for tenant_id, load in list(loads.items())[:MAX_TENANTS]
    ]


async def _budgets(use: Services, tenant_id: str) -> list[LiveBudget] | None:
    """None for a tenant that is no more."""
    try:
        budgets = await budgets_of(use, tenant_id)
    except NoSuchTenant:
        return None
    held = await use.control.peek([budget.rule for budget in budgets]) if budgets else []
    return [_filled(budget.limit, each.held) for budget, each in zip(budgets, held, strict=True)]


def _filled(limit: Limit, held: int) -> LiveBudget:
    left = max(0, held)
    return LiveBudget(
        limit=limit.name,
        unit=limit.unit,
        amount=shown_amount(limit.unit, limit.amount),
        remaining=shown_amount(limit.unit, left),
        fill=part(left, limit.amount),
    )


def _deleted(load: TenantLoad) -> Standing:
    """What still runs of a tenant that is no more."""
    return Standing(load.tenant_id, "", load.fairshare_group, load.weight, None)


def _report(aged: Aged) -> dict[str, object]:
    report = aged.report
    return {
        "sidecar": report.sidecar,
        "age_seconds": round(aged.age_seconds, 3),
        "in_flight": report.in_flight,
        "queued": report.queued,
        "tenants_in_flight": report.tenants_in_flight,
    }
