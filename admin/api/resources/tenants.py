"""/tenants: create, list, get, change and delete tenants."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from admin.api.call import Reading
from admin.api.derived import patch_of, view_of
from admin.api.paging import NamedPage, page_of
from admin.api.resources.routes import Routes
from admin.commands.directory import TENANTS
from admin.fields import Body, GroupName, InFlight, Name, Requests, Text, Tokens, Weight, printable
from tenancy.directory.tenants import DEFAULT_GROUP, NewTenant, Status, Tenant
from tenancy.values.policy import DEFAULT_WEIGHT

router = APIRouter(prefix="/tenants", tags=["tenants"])

MetadataKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
MetadataValue = Annotated[str, StringConstraints(max_length=1024), AfterValidator(printable)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue], Field(max_length=50, examples=[{"owner": "ann", "cost-center": "4711"}])
]
DisplayName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(printable)]
TenantId = Annotated[str, Path(alias="id", description="The tenant's id")]


class TenantBody(Body):
    """The fields of a new tenant.  Limits that are null or absent do not apply."""

    name: Name = Field(examples=["my-team"])
    fairshare_group: GroupName = DEFAULT_GROUP
    weight: Weight = DEFAULT_WEIGHT
    tokens_per_minute: Tokens | None = Field(None, examples=[500_000])
    requests_per_minute: Requests | None = None
    max_in_flight: InFlight | None = None
    status: Status = Field(Status.ACTIVE, description="`suspended`: all its keys are refused with 403")
    policy: GroupName | None = Field(None, description="Named policy whose limits apply in addition")
    metadata: Metadata = Field({}, description="Data of your own, which is kept and shown but not interpreted")
    display_name: DisplayName = Field("", description="Name to display, which need not be unique; empty: `name`")
    description: Text = ""


TenantPatch = patch_of(
    TenantBody,
    "TenantPatch",
    "The fields to change.  What is absent stays; null lifts a limit; `metadata` is replaced as a whole.",
)


class WeightBody(Body):
    """A tenant's share among those of its group."""

    weight: Weight = Field(examples=[500])


class GroupBody(Body):
    """The fairshare group that a tenant belongs to."""

    fairshare_group: GroupName = Field(examples=["default"])


QUOTA = ("tokens_per_minute", "requests_per_minute", "max_in_flight")
QuotaBody = patch_of(TenantBody, "QuotaBody", "A tenant's limits.  What is absent stays; null lifts a limit.", *QUOTA)
# What answers that are kept for a repetition from before do not have.
LATER: dict[str, Any] = {"display_name": (str, ""), "description": (str, "")}
TenantView = view_of(
    Tenant, "TenantView", "A tenant.  A limit that is null does not limit.", without="version", status=Status, **LATER
)
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


routes.update("PATCH", WeightBody, "Sets a tenant's weight.", dict, at="/weight")
routes.update("PUT", QuotaBody, "Sets a tenant's limits, those that are given.", at="/quota")
routes.update("PATCH", GroupBody, "Moves a tenant to a fairshare group.", dict, at="/group")
