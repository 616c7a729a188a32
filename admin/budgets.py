"""/tenants/{id}/budgets: what is spent and what is left of a tenant's limits now; reset and adjust.

Redis has the budgets.  A change is one transaction with its audit entry, with Redis asked before the commit: if either
store is away, nothing is claimed to have happened.  It may have: Redis remembers a change that has an Idempotency-Key,
so that it is made once although its first caller heard 503.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from admin.fields import MAX_TOKENS, Body, Time, UserId, View
from admin.limits import AnyId, ShownAmount, no_flag, shown_amount, units
from admin.paging import Page, cut
from admin.problems import MAX_SHOWN, Problem, Refused
from admin.services import Services, Use
from admin.tenants import TenantId
from admin.terms import ByCreating
from ratelimit.budgets.meter import Meter
from ratelimit.budgets.peek import Held
from ratelimit.tenants.account import meter_of
from tenancy.directory.change_request import name_of
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit

router = APIRouter(prefix="/tenants/{id}/budgets", tags=["limits"])

BudgetName = Annotated[
    str, Field(min_length=1, max_length=512, description="`budget` of the list", examples=["tenant:tokens:60s"])
]


class Whose(Body):
    """What holds for each key or each user is shown for those that are named; so are the limits of these alone."""

    key_id: AnyId | None = None
    user_id: UserId | None = None


class BudgetQuery(Page, Whose):
    """A page of budgets, perhaps of one key or user."""

    def after_place(self) -> tuple[int, str] | None:
        parts = self._parts(int, str)
        return None if parts is None else (parts[0], parts[1])


class ResetBody(Body):
    """Null: every budget of the tenant, but not its group's."""

    budget: BudgetName | None = None


class AdjustBody(Body):
    """What to give back; below zero, what to charge.  Whole, or of `cost` in the currency."""

    budget: BudgetName
    amount: Annotated[
        Decimal,
        BeforeValidator(no_flag),
        Field(ge=-MAX_TOKENS, le=MAX_TOKENS, max_digits=19, decimal_places=6, examples=[-5000]),
    ]


class BudgetView(View):
    """The live state of one limit.  `used` may exceed the amount, and then nothing remains: a request is charged what
    it used beyond what was reserved for it.  `would_have_refused`: a shadow limit, since it was last full."""

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
    reset_at: Time = Field(description="When nothing is spent any more if nothing else runs")
    shadow: bool
    would_have_refused: int


class BudgetPage(View):
    """A page of budgets, in the order of scopes: tenant, user, key, model, group."""

    budgets: list[BudgetView]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit of the tenant with its meter."""

    limit: Limit
    meter: Meter

    @property
    def place(self) -> tuple[int, str]:
        """Its place in lists."""
        return [*Scope].index(self.limit.scope), self.limit.budget_name

    def view(self, held: Held) -> dict[str, object]:
        limit, remaining = self.limit, max(0, held.held)
        return {
            "budget": limit.budget_name,
            "limit": limit.name,
            "limit_id": limit.id or None,
            **{name: getattr(limit, name) for name in SHOWN},
            "amount": shown_amount(limit.unit, limit.amount),
            "used": shown_amount(limit.unit, limit.amount - held.held),
            "remaining": shown_amount(limit.unit, remaining),
            "reset_at": datetime.fromtimestamp(held.full_at_ms / 1000, UTC),
            "would_have_refused": held.missed,
        }


SHOWN = ("scope", "subject", "unit", "kind", "window_seconds", "calendar", "time_zone", "shadow")


@router.get("", response_model=BudgetPage)
async def list_budgets(tenant_id: TenantId, page: Annotated[BudgetQuery, Query()], use: Use) -> dict[str, object]:
    """Shows what is spent and left.  Changes nothing."""
    budgets = sorted(await budgets_of(use, tenant_id, page.key_id, page.user_id), key=lambda budget: budget.place)
    after = page.after_place()
    later = [budget for budget in budgets if after is None or budget.place > after][: page.limit + 1]
    found, next_cursor = cut(later, page.limit, lambda budget: budget.place)
    held = await use.control.peek([budget.meter for budget in found])
    views = [budget.view(each) for budget, each in zip(found, held, strict=True)]
    return {"budgets": views, "next_cursor": next_cursor}


@router.post("/reset", response_model=BudgetPage)
async def reset_budgets(
    tenant_id: TenantId, body: ResetBody, whose: Annotated[Whose, Query()], use: Use, by: ByCreating
) -> BudgetPage:
    """Fills budgets up.  Requests in flight are charged what they use beyond what was reserved for them."""
    budgets = await budgets_of(use, tenant_id, whose.key_id, whose.user_id)
    if body.budget is None:
        chosen = [budget for budget in budgets if budget.limit.scope is not Scope.GROUP]
    else:
        chosen = [_named(budgets, body.budget)]
    meters = [budget.meter for budget in chosen]
    before = await use.control.peek(meters)
    spent = {b.limit.budget_name: b.limit.amount - held.held for b, held in zip(chosen, before, strict=True)}
    async with use.audited(
        by, "reset_budget", ("tenant", tenant_id), {"used": spent}, {"used": dict.fromkeys(spent, 0)}
    ) as answered:
        held_now = await use.control.reset(meters, name_of(by))
        views = [b.view(held) for b, held in zip(chosen, held_now, strict=True)]
        answer = BudgetPage.model_validate({"budgets": views, "next_cursor": None})
        await answered(answer.model_dump(mode="json"))
    return answer


@router.post("/adjust", response_model=BudgetView)
async def adjust_budget(
    tenant_id: TenantId, body: AdjustBody, whose: Annotated[Whose, Query()], use: Use, by: ByCreating
) -> BudgetView:
    """Gives back (never more than was used) or, below zero, charges.  Send an `Idempotency-Key` to charge once however
    often you ask."""
    budget = _named(await budgets_of(use, tenant_id, whose.key_id, whose.user_id), body.budget)
    given = units(budget.limit.unit, body.amount)
    (before,) = await use.control.peek([budget.meter])
    name, used = budget.limit.budget_name, budget.limit.amount - before.held
    change = {"budget": name, "given_back": given}
    known = {"budget": name, "used": used}
    async with use.audited(by, "adjust_budget", ("tenant", tenant_id), known, change) as answered:
        after = await use.control.adjust(budget.meter, given, name_of(by))
        answer = BudgetView.model_validate(budget.view(after))
        await answered(answer.model_dump(mode="json"))
    return answer


async def budgets_of(
    use: Services, tenant_id: str, key_id: str | None = None, user_id: str | None = None
) -> list[Budget]:
    """The tenant's budgets; NoSuchTenant.  What holds for each key or user only with its id."""
    force, now_ms = await use.limits_in_force.of_tenant(tenant_id, key_id, user_id), time.time_ns() // 1_000_000
    groups = use.control.shares_groups
    return [Budget(limit, meter_of(tenant_id, limit, now_ms, groups=groups)) for limit in force.limits]


def _named(budgets: list[Budget], name: str) -> Budget:
    found = next((budget for budget in budgets if budget.limit.budget_name == name), None)
    if found is None:
        detail = f"the tenant has no budget {name[:MAX_SHOWN]!r}; is it one that holds for each key or each user?"
        raise Refused(Problem(422, f"budget: {detail}", (("budget", detail),)))
    return found
