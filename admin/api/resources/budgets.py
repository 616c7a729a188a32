"""/tenants/{id}/budgets: what is spent and what is left of a tenant's limits now; reset and adjust."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from admin.api.call import Creating, Reading
from admin.api.paging import Page, cut, page_of
from admin.api.resources.rules import Number, ShownAmount
from admin.api.resources.tenants import TenantId
from admin.commands import budgets
from admin.commands.budgets import Budget, Whose, place_of
from admin.commands.rules import MAX_TOKENS
from admin.fields import AnyId, Body, Time, UserId, View
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Scope, Unit

router = APIRouter(prefix="/tenants/{id}/budgets", tags=["limits"])

BudgetName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=512,
        description="The budget, as the field `budget` of the list names it",
        examples=["tenant:tokens:60s"],
    ),
]


class WhoseQuery(Body):
    """Whose budgets are shown beside the tenant's own.  Budgets of keys or users are shown only for the key and the
    user that are given."""

    key_id: AnyId | None = None
    user_id: UserId | None = None

    def of(self, tenant_id: str) -> Whose:
        return Whose(tenant_id, self.key_id, self.user_id)


class BudgetQuery(Page, WhoseQuery):
    """Which page of the budgets is listed, and the key and user whose budgets are included."""

    def after_place(self) -> tuple[int, str] | None:
        parts = self._parts(int, str)
        return None if parts is None else (parts[0], parts[1])


class ResetBody(Body):
    """Which budget is filled up.  Null: every budget of the tenant, but none of its group."""

    budget: BudgetName | None = None


class AdjustBody(Body):
    """The amount to give back; a negative amount is charged.  It is a whole number, or for `cost` a decimal in the
    currency of prices."""

    budget: BudgetName
    amount: Annotated[
        Number,
        Field(ge=-MAX_TOKENS, le=MAX_TOKENS, max_digits=19, decimal_places=6, examples=[-5000]),
    ]


class BudgetView(View):
    """The live state of one limit.  `used` may exceed the amount, and then nothing remains: a request is charged what
    it used beyond what was reserved for it.  `would_have_refused` is the number of requests that
    a shadow limit would have refused since it was last full."""

    budget: str
    limit: str
    limit_id: str | None
    scope: Scope
    subject: str
    unit: Unit
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    amount: ShownAmount
    used: ShownAmount
    remaining: ShownAmount
    reset_at: Time = Field(description="Time at which nothing is spent any more if nothing else runs")
    shadow: bool
    would_have_refused: int

    @model_validator(mode="before")
    @classmethod
    def _of_budget(cls, value: object) -> object:
        """From a budget, or from the fields of one that are kept to be answered again."""
        return value.fields() if isinstance(value, Budget) else value


BudgetPage = page_of(
    "BudgetPage", "A page of budgets, in the order of scopes: tenant, user, key, model, group.", budgets=BudgetView
)


@router.get("", response_model=BudgetPage)
async def list_budgets(tenant_id: TenantId, page: Annotated[BudgetQuery, Query()], call: Reading) -> dict[str, object]:
    """Lists a tenant's budgets, with what is spent and what is left.  Changes nothing."""
    found = await budgets.page(call.session, page.of(tenant_id), page.limit + 1, page.after_place())
    shown, next_cursor = cut(found, page.limit, lambda budget: place_of(budget.limit))
    return {"budgets": shown, "next_cursor": next_cursor}


@router.post("/reset", response_model=BudgetPage)
async def reset_budgets(
    tenant_id: TenantId, body: ResetBody, whose: Annotated[WhoseQuery, Query()], call: Creating
) -> dict[str, object]:
    """Fills budgets up.  Requests in flight are charged what they use beyond what was reserved for them."""
    done = await budgets.reset(call.session, whose.of(tenant_id), body.budget)
    return {"budgets": done.value, "next_cursor": None}


@router.post("/adjust", response_model=BudgetView)
async def adjust_budget(
    tenant_id: TenantId, body: AdjustBody, whose: Annotated[WhoseQuery, Query()], call: Creating
) -> Budget:
    """Gives back an amount, never more than was used, or charges a negative one.  Send an `Idempotency-Key` so that
    repeated requests charge only once."""
    return (await budgets.adjust(call.session, whose.of(tenant_id), body.budget, body.amount)).value
