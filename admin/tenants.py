"""/tenants: create, list, get, change and delete tenants."""

from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from admin.fields import Body, GroupName, InFlight, Metadata, Name, Requests, Time, Tokens, View, Weight
from admin.paging import NamedPage, cut
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.tenants import (
    DEFAULT_GROUP,
    DEFAULT_WEIGHT,
    TENANT_ID,
    NewTenant,
    NoSuchTenant,
    Status,
    Tenant,
    TenantChange,
)

router = APIRouter(prefix="/tenants", tags=["tenants"])


def check_tenant_id(text: str) -> str:
    """Not a tenant's id at all: the same answer as for one that does not exist, without asking Postgres."""
    if not TENANT_ID.fullmatch(text):
        raise NoSuchTenant(text)
    return text


TenantId = Annotated[str, Path(alias="id", description="The tenant's id"), AfterValidator(check_tenant_id)]


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


class TenantPage(View):
    """A page of tenants, oldest first."""

    tenants: list[TenantView]
    next_cursor: str | None


@router.post("", status_code=201, response_model=TenantView)
async def create_tenant(body: TenantBody, use: Use, by: ByCreating, response: Response) -> Tenant:
    """Creates a tenant; its name must be unique."""
    tenant = await use.tenants.create(NewTenant(**body.model_dump()), by)
    await use.propagate(response)
    response.headers["location"] = f"/api/v1/tenants/{tenant.id}"
    return tagged(response, tenant)


@router.get("", response_model=TenantPage)
async def list_tenants(page: Annotated[NamedPage, Query()], use: Use) -> dict[str, object]:
    """Lists tenants, oldest first."""
    found = await use.tenants.page(page.limit + 1, page.after_time(), page.name or "")
    tenants, next_cursor = cut(found, page.limit, lambda tenant: (tenant.created_at, tenant.id))
    return {"tenants": tenants, "next_cursor": next_cursor}


@router.get("/{id}", response_model=TenantView)
async def get_tenant(tenant_id: TenantId, use: Use, response: Response) -> Tenant:
    """Shows a tenant."""
    tenant = await use.tenants.get(tenant_id)
    if tenant is None:
        raise NoSuchTenant(tenant_id)
    return tagged(response, tenant)


@router.patch("/{id}", response_model=TenantView)
async def update_tenant(tenant_id: TenantId, body: TenantPatch, use: Use, by: By, response: Response) -> Tenant:
    """Changes the fields given."""
    return await _change(tenant_id, cast(TenantChange, body), use, by, response)


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_tenant(tenant_id: TenantId, use: Use, by: ByDeleting) -> Response:
    """Deletes a tenant with its users, keys and limits; its usage stays in the ledger."""
    return await use.deleted(await use.tenants.delete(tenant_id, by), by)


@router.patch("/{id}/weight", response_model=TenantView)
async def set_tenant_weight(tenant_id: TenantId, body: WeightBody, use: Use, by: By, response: Response) -> Tenant:
    """Sets a tenant's weight."""
    return await _change(tenant_id, {"weight": body.weight}, use, by, response)


@router.put("/{id}/quota", response_model=TenantView)
async def set_tenant_quota(tenant_id: TenantId, body: QuotaBody, use: Use, by: By, response: Response) -> Tenant:
    """Sets a tenant's limits, those that are given."""
    return await _change(tenant_id, cast(TenantChange, body), use, by, response)


@router.patch("/{id}/group", response_model=TenantView)
async def set_tenant_group(tenant_id: TenantId, body: GroupBody, use: Use, by: By, response: Response) -> Tenant:
    """Moves a tenant to a fairshare group."""
    return await _change(tenant_id, {"fairshare_group": body.fairshare_group}, use, by, response)


async def _change(tenant_id: str, change: TenantChange, use: Use, by: By, response: Response) -> Tenant:
    tenant = await use.tenants.update(tenant_id, change, by)
    await use.propagate(response)
    return tagged(response, tenant)
