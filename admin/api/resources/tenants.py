"""/tenants: create, list, get, change and delete tenants."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, with_config
from typing_extensions import TypedDict

from admin.api.call import Call, Changing, Reading
from admin.api.paging import NamedPage, page_of
from admin.api.resources.routes import Routes
from admin.commands.directory import TENANTS
from admin.fields import Body, GroupName, InFlight, Name, Requests, Time, Tokens, View, Weight, printable
from tenancy.directory.tenants import DEFAULT_GROUP, DEFAULT_WEIGHT, NewTenant, Status, Tenant, TenantChange

router = APIRouter(prefix="/tenants", tags=["tenants"])

MetadataKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
MetadataValue = Annotated[str, StringConstraints(max_length=1024), AfterValidator(printable)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue], Field(max_length=50, examples=[{"owner": "ann", "cost-center": "4711"}])
]
TenantId = Annotated[str, Path(alias="id", description="The tenant's id")]


class TenantBody(Body):
    """A tenant to be made.  A limit that is null or absent does not limit."""

    name: Name = Field(examples=["my-team"])
    fairshare_group: GroupName = DEFAULT_GROUP
    weight: Weight = DEFAULT_WEIGHT
    tokens_per_minute: Tokens | None = Field(None, examples=[500_000])
    requests_per_minute: Requests | None = None
    max_in_flight: InFlight | None = None
    status: Status = Field(Status.ACTIVE, description="`suspended`: every key of it is refused with 403")
    policy: GroupName | None = Field(None, description="The named policy whose limits hold in addition")
    metadata: Metadata = Field({}, description="Yours: kept, shown, and not looked at")


@with_config(ConfigDict(extra="forbid"))
class TenantPatch(TypedDict, total=False):
    """The fields to change.  What is absent stays; null lifts a limit; `metadata` is replaced as a whole."""

    name: Name
    fairshare_group: GroupName
    weight: Weight
    tokens_per_minute: Tokens | None
    requests_per_minute: Requests | None
    max_in_flight: InFlight | None
    status: Status
    policy: GroupName | None
    metadata: Metadata


class WeightBody(Body):
    """A tenant's share among those of its group."""

    weight: Weight = Field(examples=[500])


@with_config(ConfigDict(extra="forbid"))
class QuotaBody(TypedDict, total=False):
    """A tenant's limits.  What is absent stays; null lifts a limit."""

    tokens_per_minute: Tokens | None
    requests_per_minute: Requests | None
    max_in_flight: InFlight | None


class GroupBody(Body):
    """The fairshare group that a tenant belongs to."""

    fairshare_group: GroupName = Field(examples=["default"])


class TenantView(View):
    """A tenant.  A limit that is null does not limit."""

    id: str
    name: str
    fairshare_group: str
    weight: int
    tokens_per_minute: int | None
    max_in_flight: int | None
    created_at: Time
    updated_at: Time
    requests_per_minute: int | None
    status: Status
    policy: str | None
    metadata: dict[str, str]


TenantPage = page_of("TenantPage", "A page of tenants, oldest first.", tenants=TenantView)

routes = Routes(router, TENANTS, "tenant", TenantView)
routes.create(TenantBody, NewTenant, "Creates a tenant; its name must be unique.")
routes.show("Shows a tenant.")
routes.update("PATCH", TenantPatch, "Changes the fields given.")
routes.delete("Deletes a tenant with its users, keys and limits; its usage stays in the ledger.")


@router.get("", response_model=TenantPage)
async def list_tenants(page: Annotated[NamedPage, Query()], call: Reading) -> dict[str, object]:
    """Lists tenants, oldest first."""
    found = await TENANTS.page(call.session, page.limit + 1, page.after_time(), page.name or "")
    return page.answer("tenants", found, "created_at", "id")


@router.patch("/{id}/weight", response_model=TenantView)
async def set_tenant_weight(tenant_id: TenantId, body: WeightBody, call: Changing) -> Tenant:
    """Sets a tenant's weight."""
    return await _change(call, tenant_id, body.model_dump())


@router.put("/{id}/quota", response_model=TenantView)
async def set_tenant_quota(tenant_id: TenantId, body: QuotaBody, call: Changing) -> Tenant:
    """Sets a tenant's limits, those that are given."""
    return await _change(call, tenant_id, body)


@router.patch("/{id}/group", response_model=TenantView)
async def set_tenant_group(tenant_id: TenantId, body: GroupBody, call: Changing) -> Tenant:
    """Moves a tenant to a fairshare group."""
    return await _change(call, tenant_id, body.model_dump())


async def _change(call: Call, tenant_id: str, change: Mapping[str, Any]) -> Tenant:
    return call.changed(await TENANTS.update(call.session, tenant_id, cast(TenantChange, change)))
