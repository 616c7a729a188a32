"""/budgets/audit and /budgets/mend: budgets beside the ledger."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from admin.api.call import Creating, Reading
from admin.api.resources.rules import ShownAmount
from admin.commands import books
from admin.fields import AnyId, Body, View
from reconcile.books import Drift
from tenancy.values.limit import Kind, Scope, Unit

router = APIRouter(prefix="/budgets", tags=["limits"])


class AuditQuery(Body):
    """Which budgets are compared: all, or those of one tenant without the ones of its group."""

    tenant_id: AnyId | None = None
    limit: int = Field(100, ge=1, le=1000, description="Maximum number of budgets")


class MendBody(Body):
    """Which budgets are mended.  `tenant_id` null: those of all tenants."""

    tenant_id: AnyId | None = None


class DriftView(View):
    """A budget with a window, beside the ledger.  `counted` is what it counts as spent, `spent` what the ledger has of
    the same window.  `missing`: it counts too little, as when a part of the store was lost.  `beyond`: it counts more,
    such as what requests in flight have reserved, or rows that are on their way into the ledger."""

    tenant_id: str | None
    budget: str
    limit: str
    scope: Scope
    subject: str
    unit: Unit
    kind: Kind
    amount: ShownAmount
    counted: ShownAmount
    spent: ShownAmount
    missing: ShownAmount
    beyond: ShownAmount

    @model_validator(mode="before")
    @classmethod
    def _of_drift(cls, value: object) -> object:
        """From a drift, or from the fields of one that are kept to be answered again."""
        return books.fields_of(value) if isinstance(value, Drift) else value


class BudgetAudit(View):
    """How many budgets were compared, how many are off, and the budgets that are off, the worst first."""

    audited: int
    drifting: int
    budgets: list[DriftView]


class MendedBudgets(View):
    """The budgets that were charged, as they were before the charge."""

    budgets: list[DriftView]


@router.get("/audit", response_model=BudgetAudit)
async def audit_budgets(which: Annotated[AuditQuery, Query()], call: Reading) -> dict[str, Any]:
    """Compares every budget that has a window with the ledger.  Changes nothing."""
    found = await books.audit(call.session, which.tenant_id)
    return {"audited": found.audited, "drifting": len(found.drifting), "budgets": found.drifting[: which.limit]}


@router.post("/mend", response_model=MendedBudgets)
async def mend_budgets(body: MendBody, call: Creating) -> dict[str, Any]:
    """Charges budgets with the usage that the ledger has and they do not count.  Nothing is given back."""
    return {"budgets": (await books.mend(call.session, body.tenant_id)).value}
