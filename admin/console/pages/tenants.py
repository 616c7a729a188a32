"""/console/tenants: finding, making, looking at, changing and deleting tenants."""

import asyncio
from typing import Annotated, Any, cast
from urllib.parse import quote

from pydantic import BeforeValidator, StringConstraints
from starlette.responses import Response

from admin.commands import keys, limits
from admin.commands.directory import GROUPS, POLICIES, TENANTS
from admin.commands.session import Session
from admin.console.cookies import PREFIX
from admin.console.forms import Form, submitted
from admin.console.numbers import TypedRequests, TypedTokens, whole_number
from admin.console.pages.budgets import live_budgets
from admin.console.pages.lists import after_of, next_page
from admin.console.visit import Routes, Visit
from admin.console.words import called
from admin.fields import Body, GroupName, InFlight, Name, Weight
from tenancy.directory.change_request import tag_of
from tenancy.directory.tenants import DEFAULT_GROUP, NewTenant, Status, Tenant, TenantChange
from tenancy.values.limit import Scope
from tenancy.values.policy import DEFAULT_WEIGHT

ENVIRONMENT = "environment"  # of the metadata
ENVIRONMENTS = ("production", "staging", "development")
OF_PEOPLE = ("name", "display_name", "metadata")
MANY = 50  # on a page
MAX_CHOICES = 200

routes = Routes()
Environment = Annotated[Name, StringConstraints(max_length=64)]


class TenantForm(Body):
    """A tenant as it shall be.  What is left empty does not limit."""

    display_name: Name
    name: Name | None = None
    environment: Environment = ""
    fairshare_group: GroupName = DEFAULT_GROUP
    weight: Annotated[Weight, BeforeValidator(whole_number)] = DEFAULT_WEIGHT
    tokens_per_minute: TypedTokens | None = None
    requests_per_minute: TypedRequests | None = None
    max_in_flight: Annotated[InFlight, BeforeValidator(whole_number)] | None = None
    policy: GroupName | None = None
    status: Status = Status.ACTIVE


NEW = Form({"fairshare_group": DEFAULT_GROUP, "weight": str(DEFAULT_WEIGHT), "status": Status.ACTIVE})


@routes.get(f"{PREFIX}/tenants")
async def tenants(visit: Visit) -> Response:
    part = visit.query("name").strip()
    found = await TENANTS.page(visit.session, MANY + 1, after_of(visit), part=part)
    more = next_page(visit, found, MANY, name=part)
    return visit.page(
        "tenants/list.html", title="Tenants", section="tenants", tenants=found[:MANY], part=part, more=more
    )


@routes.get(f"{PREFIX}/tenants/new", changes="tenant")
async def new_tenant(visit: Visit) -> Response:
    return await _form(visit, NEW, 200, None)


@routes.post(f"{PREFIX}/tenants/new")
async def create_tenant(visit: Visit) -> Response:
    async def make(form: TenantForm) -> Response:
        fields = _fields(form)
        new = NewTenant(**fields, metadata={ENVIRONMENT: form.environment} if form.environment else {})
        done = await TENANTS.create(visit.on_terms(), new)
        return visit.to(at(done.value.id), "tenant-created", done)

    return await submitted(visit, TenantForm, lambda form, status: _form(visit, form, status, None), make)


@routes.get(f"{PREFIX}/tenants/{{id}}")
async def tenant(visit: Visit) -> Response:
    id = visit.path("id")
    found = await TENANTS.get(visit.session, id)
    budgets, tenant_keys, others = await asyncio.gather(
        live_budgets(visit, id), keys.page(visit.session, MANY + 1, after_of(visit), id), _of_each(visit.session, id)
    )
    shown = {"tenant": found, "keys": tenant_keys[:MANY], "of_each": others, **budgets}
    more = next_page(visit, tenant_keys, MANY)
    return visit.page("tenants/tenant.html", title=called(found), section="tenants", more=more, **shown)


@routes.get(f"{PREFIX}/tenants/{{id}}/edit", changes="tenant")
async def edit_tenant(visit: Visit) -> Response:
    found = await TENANTS.get(visit.session, visit.path("id"))
    return await _form(visit, _as_form(found), 200, found)


@routes.post(f"{PREFIX}/tenants/{{id}}/edit")
async def save_tenant(visit: Visit) -> Response:
    found = await TENANTS.get(visit.session, visit.path("id"))

    async def make(form: TenantForm) -> Response:
        metadata = {name: text for name, text in found.metadata.items() if name != ENVIRONMENT}
        if form.environment:
            metadata[ENVIRONMENT] = form.environment
        change = {**_fields(form), "metadata": metadata}
        if not visit.may("change", "limit"):  # what bounds a tenant is not its organization's
            change = {name: each for name, each in change.items() if name in OF_PEOPLE}
        done = await TENANTS.update(visit.on_terms(), found.id, cast(TenantChange, change))
        return visit.to(at(found.id), "tenant-saved", done)

    return await submitted(visit, TenantForm, lambda form, status: _form(visit, form, status, found), make)


@routes.get(f"{PREFIX}/tenants/{{id}}/delete", changes="tenant")
async def ask_to_delete(visit: Visit) -> Response:
    found = await TENANTS.get(visit.session, visit.path("id"))
    would = await TENANTS.delete(visit.dry(), found.id)
    return visit.page(
        "tenants/delete.html", title="Delete a tenant", section="tenants", tenant=found, would=would.value
    )


@routes.post(f"{PREFIX}/tenants/{{id}}/delete")
async def delete_tenant(visit: Visit) -> Response:
    done = await TENANTS.delete(visit.on_terms(), visit.path("id"))
    return visit.to(f"{PREFIX}/tenants", "tenant-deleted", done)


def at(tenant_id: str) -> str:
    """The address of a tenant."""
    return f"{PREFIX}/tenants/{quote(tenant_id)}"


async def _of_each(session: Session, tenant_id: str) -> list[object]:
    """The limits for each key or each user, which have no single budget."""
    found = await limits.page_of_tenant(session, tenant_id, MAX_CHOICES)
    without = {Scope.KEY: "key_id", Scope.USER: "user_id"}
    return [each for each in found if each.scope in without and getattr(each, without[each.scope]) is None]


async def _form(visit: Visit, form: Form, status: int, of: Tenant | None) -> Response:
    groups = await GROUPS.page(visit.session, MAX_CHOICES) if visit.may("read", "group") else ()
    policies = await POLICIES.page(visit.session, MAX_CHOICES) if visit.may("read", "policy") else ()
    shown = {"groups": [each.name for each in groups], "policies": [each.name for each in policies]}
    shown["environments"] = [*ENVIRONMENTS]
    title = f"Change {called(of)}" if of else "New tenant"
    seen = visit.field("_seen") or (tag_of(of) if of else "")
    return visit.page(
        "tenants/form.html", status, title=title, section="tenants", form=form, tenant=of, seen=seen, **shown
    )


def _fields(of: TenantForm) -> dict[str, Any]:
    """The fields of the tenant; without a name for scripts, the display name is used."""
    return {**of.model_dump(exclude={ENVIRONMENT}), "name": of.name or of.display_name}


def _as_form(of: Tenant) -> Form:
    names = TenantForm.model_fields
    values = {name: str(each) for name in names if (each := getattr(of, name, None)) is not None}
    return Form({**values, "display_name": called(of), ENVIRONMENT: of.metadata.get(ENVIRONMENT, "")})
