"""/dashboard: usage, and how much of the limits is spent.

Beside Tollkeeper's figures it has the fields of the portal's documents that count metrics and logs, which do not exist
here: see docs/client/portal.md.
"""

from typing import Any

from fastapi import APIRouter

from admin.commands.organizations.summary import Spent, max_of, of_tenant, summary
from admin.dialects.portal.call import Asked, own
from admin.dialects.portal.tenants import TenantId
from admin.fields import rfc3339
from ledger.sums import Figures, Interval
from tenancy.directory.organizations import MAX_TENANTS

router = APIRouter(prefix="/dashboard")

PLAN_MAX_SERIES = 20_000  # of every plan: scripts divide by it


@router.get("/org/summary")
async def get_summary(session: Asked) -> dict[str, Any]:
    """Shows the plan, and what all tenants together used this month."""
    found = await summary(session, own(session))
    most = MAX_TENANTS[found.organization.plan]
    return {
        "organization": found.organization.id,
        "name": found.organization.name,
        "billing_plan": found.organization.plan,
        "tenants": found.tenants,
        "plan_max_tenants": most,
        "tenants_percent_used": None if most is None else found.tenants * 100 // most,
        **_used(found.interval, found.figures),
        "budgets": [{"tenant_id": each.tenant.id, **_budget(each)} for each in found.spent],
        "org_active_series": 0,
        "plan_max_active_series": PLAN_MAX_SERIES,
        "org_logs_gb_ingested_this_month": 0.0,
    }


@router.get("/tenants/{id}/usage")
async def get_tenant_usage(tenant_id: TenantId, session: Asked) -> dict[str, Any]:
    """Shows what a tenant used this month, and what is spent of its limits now."""
    found = await of_tenant(session, tenant_id)
    most = max_of(found.spent)
    return {
        "tenant_id": found.tenant.id,
        "display_name": found.tenant.display_name or found.tenant.name,
        **_used(found.interval, found.figures),
        "percent_used": None if most is None else most.percent,
        "budgets": [_budget(each) for each in found.spent],
        "active_series": 0,
        "logs_gb_ingested_this_month": 0.0,
    }


def _used(interval: Interval, figures: Figures) -> dict[str, Any]:
    return {
        "from": rfc3339(interval[0]),
        "to": rfc3339(interval[1]),
        "requests_this_month": figures.requests,
        "refused_this_month": figures.refused,
        "tokens_this_month": figures.input_tokens + figures.output_tokens,
        "cost_this_month": f"{figures.cost:f}",
    }


def _budget(of: Spent) -> dict[str, Any]:
    """`used` of `limit` in the window that ends at `reset_at`."""
    fields = of.budget.fields()
    named = {name: fields[name] for name in ("unit", "used", "remaining", "window_seconds", "reset_at")}
    return {"name": fields["limit"], "limit": fields["amount"], "percent_used": of.percent, **named}
