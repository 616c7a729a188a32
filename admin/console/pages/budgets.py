"""/console/tenants/…/budgets: what is spent and left of each limit now; reset and adjust."""

from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin.commands import budgets
from admin.commands.budgets import Whose
from admin.commands.directory import TENANTS
from admin.commands.refusals import MAX_SHOWN, Reason, Refusal, Refused
from admin.commands.rules import MAX_TOKENS
from admin.console.cookies import PREFIX
from admin.console.forms import EMPTY, Form, submitted
from admin.console.numbers import decimal_number
from admin.console.visit import Routes, Visit
from admin.fields import Body

MANY = 100

routes = Routes()


class AdjustForm(Body):
    """What to give back; below zero, to charge."""

    amount: Annotated[Decimal, BeforeValidator(decimal_number), Field(ge=-MAX_TOKENS, le=MAX_TOKENS)]


async def live_budgets(visit: Visit, tenant_id: str, key_id: str | None = None) -> dict[str, Any]:
    """What templates/parts/budgets.html shows."""
    found = await budgets.page(visit.session, Whose(tenant_id, key_id), MANY)
    own = [each for each in found if key_id is None or each.limit.subject == key_id]
    query = f"?key={quote(key_id)}" if key_id else ""
    return {"budgets": own, "budgets_at": f"{PREFIX}/tenants/{quote(tenant_id)}/budgets", "whose": query}


@routes.get(f"{PREFIX}/tenants/{{id}}/budgets")
async def budgets_now(visit: Visit) -> Response:
    """The part of a tenant's page, or of a key's, that refreshes itself."""
    shown = await live_budgets(visit, visit.path("id"), visit.query("key") or None)
    return visit.page("parts/budgets.html", **shown)


@routes.get(f"{PREFIX}/tenants/{{id}}/budgets/{{name}}")
async def budget(visit: Visit) -> Response:
    return await _page(visit, EMPTY, 200)


@routes.post(f"{PREFIX}/tenants/{{id}}/budgets/{{name}}/reset")
async def reset(visit: Visit) -> Response:
    whose, name = _whose(visit), visit.path("name")
    done = await budgets.reset(visit.on_terms(), whose, name)
    return visit.to(back(whose), "budget-reset", done)


@routes.post(f"{PREFIX}/tenants/{{id}}/budgets/{{name}}/adjust")
async def adjust(visit: Visit) -> Response:
    whose, name = _whose(visit), visit.path("name")

    async def make(form: AdjustForm) -> Response:
        done = await budgets.adjust(visit.on_terms(), whose, name, form.amount)
        return visit.to(back(whose), "budget-adjusted", done)

    return await submitted(visit, AdjustForm, lambda form, status: _page(visit, form, status), make)


def back(whose: Whose) -> str:
    return f"{PREFIX}/keys/{quote(whose.key_id)}" if whose.key_id else f"{PREFIX}/tenants/{quote(whose.tenant_id)}"


def _whose(visit: Visit) -> Whose:
    return Whose(visit.path("id"), visit.query("key") or None)


async def _page(visit: Visit, form: Form, status: int) -> Response:
    whose, name = _whose(visit), visit.path("name")
    tenant = await TENANTS.get(visit.session, whose.tenant_id)
    found = await budgets.page(visit.session, whose, MANY)
    budget = next((each for each in found if each.limit.budget_name == name), None)
    if budget is None:
        raise Refused(Refusal(Reason.NOT_FOUND, f"the tenant has no budget {name[:MAX_SHOWN]!r}"))
    return visit.page(
        "tenants/budget.html",
        status,
        title="A budget",
        section="tenants",
        tenant=tenant,
        budget=budget,
        form=form,
        back=back(whose),
        whose=visit.request.url.query,
    )
