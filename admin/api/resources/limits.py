"""/limits: what may be used in which window, by whom.  Live state is in budgets.py."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from admin.api.call import Reading
from admin.api.derived import view_of
from admin.api.examples import BY_NAME
from admin.api.paging import NamedPage, Page, page_of
from admin.api.resources.routes import Routes
from admin.api.resources.rules import Amount, RuleBody, ShownAmount, ShownWeight, TimeZone, TokenWeight, WindowSeconds
from admin.api.resources.tenants import TenantId
from admin.commands import limits
from admin.commands.directory import LIMITS
from admin.commands.limits import LimitRequest
from admin.fields import AnyId, Body, Flag, GroupName, ModelName, Name, UserId
from tenancy.directory.stored_limits import StoredLimit
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Scope

router = APIRouter(tags=["limits"])

EXAMPLE = {"scope": "tenant", "tenant_id": BY_NAME["tenant_id"], "unit": "tokens", "amount": 500_000, "calendar": "day"}


class CountedBody(Body):
    """Whose requests a limit counts."""

    name: Name | None = Field(None, description="Name of the limit in refusals; unique within its tenant or group")
    scope: Scope
    tenant_id: AnyId | None = None
    key_id: AnyId | None = None
    user_id: UserId | None = None
    model: ModelName | None = None
    fairshare_group: GroupName | None = None


class LimitBody(RuleBody, CountedBody, json_schema_extra={"examples": [EXAMPLE]}):
    """The fields of a new limit.  It counts a tenant's requests, or those of one of its keys, users or models; or, with
    scope `group`, those of all tenants of a fairshare group together.  With scope `key` or `user` and no id it holds
    for each of them."""

    shadow: Flag = Field(False, description="Refuse nothing, and only count what the limit would have refused")


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": 1_000_000}]}))
class LimitPatch(TypedDict, total=False):
    """The fields to change.  What is absent stays; what is spent stays spent."""

    name: Name
    amount: Amount
    kind: Kind
    window_seconds: WindowSeconds
    calendar: Calendar
    time_zone: TimeZone
    cached_weight: TokenWeight
    reasoning_weight: TokenWeight
    shadow: Flag


LimitView = view_of(
    StoredLimit,
    "LimitView",
    "A limit.  Either `tenant_id` or `fairshare_group` is null.",
    amount=ShownAmount,
    cached_weight=ShownWeight,
    reasoning_weight=ShownWeight,
)
LimitPage = page_of("LimitPage", "A page of limits, oldest first.", limits=LimitView)


class LimitQuery(NamedPage):
    """Which page of the limits is listed; if a tenant or a group is given, only its limits."""

    tenant_id: AnyId | None = None
    fairshare_group: GroupName | None = None


routes = Routes(router, LIMITS, "limit", LimitView, below="/limits")
routes.show("Shows a limit.")


routes.create(LimitBody, LimitRequest, "Creates a limit; it holds for every sidecar within a second.", by=limits.create)


@router.get("/limits", response_model=LimitPage)
async def list_limits(page: Annotated[LimitQuery, Query()], call: Reading) -> dict[str, object]:
    """Lists limits, oldest first."""
    whose = (page.tenant_id, page.fairshare_group, page.name or "")
    found = await LIMITS.page(call.session, page.limit + 1, page.after_time(), *whose)
    return page.answer("limits", found, "created_at", "id")


@router.get("/tenants/{id}/limits", response_model=LimitPage)
async def list_tenant_limits(tenant_id: TenantId, page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists a tenant's limits, oldest first; those that are fields of the tenant, its users or keys are shown there."""
    found = await limits.page_of_tenant(call.session, tenant_id, page.limit + 1, page.after_time())
    return page.answer("limits", found, "created_at", "id")


routes.update(
    "PATCH", LimitPatch, "Changes the fields given; it holds for every sidecar within a second.", by=limits.update
)
routes.delete("Deletes a limit; what was spent of it is forgotten.")
