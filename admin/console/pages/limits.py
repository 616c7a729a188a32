"""/console/limits: the limits of a tenant or a group: making, changing and deleting one."""

from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, Field, StringConstraints
from starlette.responses import Response

from admin.commands import limits
from admin.commands.directory import GROUPS, LIMITS, TENANTS
from admin.commands.limits import LimitRequest
from admin.commands.rules import MAX_TOKENS, amount_of
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import decimal_number
from admin.console.visit import Routes, Visit
from admin.console.words import called
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


class RuleForm(Body):
    """How much of what, over which window."""

    unit: Unit
    amount: Amount
    every: Calendar
    kind: Kind = Kind.BUCKET
    time_zone: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = UTC
    name: Name | None = None
    shadow: bool = False

    def rule(self) -> dict[str, Any]:
        """As commands have it: a window of the calendar where there can be one, else as long as one usually is."""
        fields = self.model_dump(exclude={"every"})
        if self.kind is Kind.FIXED:
            return {**fields, "calendar": self.every}
        return {**fields, "window_seconds": self.every.seconds}


class LimitForm(RuleForm):
    """A limit of a tenant, to be made."""

    scope: Scope = Scope.TENANT
    model: ModelName | None = None
    user_id: UserId | None = None


class AmountForm(Body):
    """How much of it; the rest of a limit stays."""

    amount: Amount
    shadow: bool = False


NEW = Form({"scope": Scope.TENANT, "unit": Unit.TOKENS, "kind": Kind.FIXED, "every": Calendar.DAY, "time_zone": UTC})


@routes.get(f"{PREFIX}/tenants/{{id}}/limits/new", changes="limit")
async def new_limit(visit: Visit) -> Response:
    return await _form(visit, NEW, 200)


@routes.post(f"{PREFIX}/tenants/{{id}}/limits/new")
async def create_limit(visit: Visit) -> Response:
    async def make(form: LimitForm) -> Response:
        return await _made(visit, LimitRequest(**form.rule(), tenant_id=visit.path("id")))

    return await submitted(visit, LimitForm, lambda form, status: _form(visit, form, status), make)


@routes.get(f"{PREFIX}/groups/{{name}}/limits", changes="limit")
async def new_limit_of_group(visit: Visit) -> Response:
    return await _form_of_group(visit, NEW, 200)


@routes.post(f"{PREFIX}/groups/{{name}}/limits")
async def create_limit_of_group(visit: Visit) -> Response:
    async def make(form: RuleForm) -> Response:
        of_group = {**form.rule(), "scope": Scope.GROUP, "fairshare_group": visit.path("name")}
        return await _made(visit, LimitRequest(**of_group))

    return await submitted(visit, RuleForm, lambda form, status: _form_of_group(visit, form, status), make)


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


async def _made(visit: Visit, asked: LimitRequest) -> Response:
    done = await limits.create(visit.on_terms(), asked)
    return visit.to(_back(done.value), "limit-free" if done.notice else "limit-created", done)


def _back(of: StoredLimit) -> str:
    if of.tenant_id:
        return f"{PREFIX}/tenants/{quote(of.tenant_id)}"
    return f"{PREFIX}/groups/{quote(of.fairshare_group or '')}"


def choices() -> dict[str, Any]:
    """What can be chosen in the form of a limit."""
    windows = [(each, each.capitalize()) for each in Calendar]
    return {"units": UNITS, "kinds": KINDS, "scopes": SCOPES, "windows": windows}


async def _form(visit: Visit, form: Form, status: int) -> Response:
    tenant = await TENANTS.get(visit.session, visit.path("id"))
    trail = [(f"{PREFIX}/tenants", "Tenants"), (f"{PREFIX}/tenants/{quote(tenant.id)}", called(tenant))]
    shown: dict[str, Any] = {"trail": trail, "form": form, **choices()}
    return visit.page("limits/form.html", status, title="New limit", section="tenants", **shown)


async def _form_of_group(visit: Visit, form: Form, status: int) -> Response:
    group = await GROUPS.get(visit.session, visit.path("name"))
    trail = [(f"{PREFIX}/groups", "Groups"), (f"{PREFIX}/groups/{quote(group.name)}", group.name)]
    shown: dict[str, Any] = {"trail": trail, "form": form, **choices(), "scopes": ()}
    return visit.page("limits/form.html", status, title="New limit", section="groups", **shown)


def _limit(visit: Visit, form: Form, status: int, of: StoredLimit) -> Response:
    shown = {"limit": of, "form": form, "seen": visit.field("_seen") or tag_of(of), "back": _back(of)}
    shown |= {"here": f"{PREFIX}/limits/{quote(of.id)}", "may": visit.may("change", "limit")}
    section = "tenants" if of.tenant_id else "groups"
    return visit.page("limits/limit.html", status, title=of.name, section=section, **shown)
