"""/console/limits: a tenant's limits: making, changing and deleting one."""

from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, Field, StringConstraints
from starlette.responses import Response

from admin.commands import limits
from admin.commands.directory import LIMITS, TENANTS
from admin.commands.limits import LimitRequest
from admin.commands.rules import MAX_TOKENS, amount_of
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import decimal_number
from admin.console.visit import Routes, Visit
from admin.fields import Body, ModelName, Name, UserId
from tenancy.directory.change_request import tag_of
from tenancy.directory.stored_limits import StoredLimit
from tenancy.values.calendar import Calendar
from tenancy.values.limit import UTC, Kind, Scope, Unit

routes = Routes()
Amount = Annotated[Decimal, BeforeValidator(decimal_number), Field(gt=0, le=MAX_TOKENS)]
UNITS = [(unit, unit.replace("_", " ").capitalize()) for unit in Unit]
KINDS = [
    (Kind.BUCKET, "Bucket: refilled steadily"),
    (Kind.FIXED, "Fixed: all back when the window ends"),
    (Kind.SLIDING, "Sliding: in any window of that length"),
]
SCOPES = [
    (Scope.TENANT, "All of the tenant together"),
    (Scope.KEY, "Each key by itself"),
    (Scope.USER, "Each user by itself"),
    (Scope.MODEL, "One model, named below"),
]


class LimitForm(Body):
    """A limit to be made."""

    scope: Scope = Scope.TENANT
    unit: Unit
    amount: Amount
    every: Calendar
    kind: Kind = Kind.BUCKET
    time_zone: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = UTC
    name: Name | None = None
    model: ModelName | None = None
    user_id: UserId | None = None
    shadow: bool = False

    def request(self, tenant_id: str) -> LimitRequest:
        """A window of the calendar where there can be one, else as long as one usually is."""
        fields = self.model_dump(exclude={"every"})
        if self.kind is Kind.FIXED:
            return LimitRequest(**fields, tenant_id=tenant_id, calendar=self.every)
        return LimitRequest(**fields, tenant_id=tenant_id, window_seconds=self.every.seconds)


class AmountForm(Body):
    """How much of it; the rest of a limit stays."""

    amount: Amount
    shadow: bool = False


NEW = Form({"scope": Scope.TENANT, "unit": Unit.TOKENS, "kind": Kind.FIXED, "every": Calendar.DAY, "time_zone": UTC})


@routes.get(f"{PREFIX}/tenants/{{id}}/limits/new")
async def new_limit(visit: Visit) -> Response:
    return await _form(visit, NEW, 200)


@routes.post(f"{PREFIX}/tenants/{{id}}/limits/new")
async def create_limit(visit: Visit) -> Response:
    async def make(form: LimitForm) -> Response:
        tenant_id = visit.path("id")
        done = await limits.create(visit.on_terms(), form.request(tenant_id))
        return visit.to(f"{PREFIX}/tenants/{quote(tenant_id)}", "limit-free" if done.notice else "limit-created", done)

    return await submitted(visit, LimitForm, lambda form, status: _form(visit, form, status), make)


@routes.get(f"{PREFIX}/limits/{{id}}")
async def limit(visit: Visit) -> Response:
    found = await LIMITS.get(visit.session, visit.path("id"))
    amount = amount_of(found.unit, found.amount)
    return _limit(visit, Form({"amount": str(amount), "shadow": str(found.shadow).lower()}), 200, found)


@routes.post(f"{PREFIX}/limits/{{id}}")
async def save_limit(visit: Visit) -> Response:
    found = await LIMITS.get(visit.session, visit.path("id"))

    async def make(form: AmountForm) -> Response:
        done = await limits.update(visit.on_terms(), found.id, form.model_dump())
        return visit.to(_back(found), "limit-created", done)

    async def again(form: Form, status: int) -> Response:
        return _limit(visit, form, status, found)

    return await submitted(visit, AmountForm, again, make)


@routes.post(f"{PREFIX}/limits/{{id}}/delete")
async def delete_limit(visit: Visit) -> Response:
    found = await LIMITS.get(visit.session, visit.path("id"))
    done = await LIMITS.delete(visit.on_terms(), found.id)
    return visit.to(_back(found), "limit-deleted", done)


def _back(of: StoredLimit) -> str:
    return f"{PREFIX}/tenants/{quote(of.tenant_id)}" if of.tenant_id else f"{PREFIX}/groups"


async def _form(visit: Visit, form: Form, status: int) -> Response:
    tenant = await TENANTS.get(visit.session, visit.path("id"))
    choices: dict[str, Any] = {"units": UNITS, "kinds": KINDS, "scopes": SCOPES}
    choices["windows"] = [(each, each.capitalize()) for each in Calendar]
    return visit.page(
        "tenants/limit_form.html", status, title="New limit", section="tenants", tenant=tenant, form=form, **choices
    )


def _limit(visit: Visit, form: Form, status: int, of: StoredLimit) -> Response:
    shown = {"limit": of, "form": form, "seen": visit.field("_seen") or tag_of(of), "back": _back(of)}
    return visit.page("tenants/limit.html", status, title=of.name, section="tenants", **shown)
