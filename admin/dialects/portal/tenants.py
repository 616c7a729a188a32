"""/tenants: create, list, show, change and delete tenants."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse

from admin.commands.directory import TENANTS
from admin.commands.session import Session
from admin.dialects.portal.call import Asked
from admin.dialects.portal.ids import tenant_id
from admin.fields import Body, Name, rfc3339
from tenancy.directory.change_request import tag_of
from tenancy.directory.tenants import NewTenant, Tenant, TenantChange

router = APIRouter(prefix="/tenants")

ENVIRONMENT = "environment"  # in a tenant's metadata
PAGE, MOST = 1000, 10_000
REGION = "local"  # unless the configuration says where this is
HOSTS = ("region", "metrics_host", "logs_host", "traces_host")
TenantId = Annotated[str, Path(alias="id")]


class Environment(StrEnum):
    """What a tenant is for."""

    PROD = "prod"
    STAGING = "staging"
    DEV = "dev"


class TenantBody(Body):
    """A tenant to be made."""

    display_name: Name
    environment: Environment = Environment.PROD


class TenantPatch(Body):
    """The fields to change; what is absent stays."""

    display_name: Name | None = None
    environment: Environment | None = None


@router.post("", status_code=201)
async def create_tenant(body: TenantBody, session: Asked) -> dict[str, Any]:
    """Creates a tenant, with an id that is made of the first word of its name."""
    minted = tenant_id(body.display_name)
    metadata = {ENVIRONMENT: str(body.environment)}
    new = NewTenant(minted, display_name=body.display_name, metadata=metadata, id=minted)
    return shown(session, (await TENANTS.create(session, new)).value)


@router.get("", response_model=None)
async def list_tenants(session: Asked) -> JSONResponse:
    """Lists tenants, oldest first: at most MOST, without FastAPI's encoder, which takes longer than reading them."""
    return JSONResponse([shown(session, tenant) for tenant in await all_tenants(session)])


@router.get("/{id}")
async def get_tenant(tenant_id: TenantId, session: Asked) -> dict[str, Any]:
    """Shows a tenant."""
    return shown(session, await TENANTS.get(session, tenant_id))


@router.patch("/{id}")
async def update_tenant(tenant_id: TenantId, body: TenantPatch, session: Asked) -> dict[str, Any]:
    """Changes the fields given; the id stays."""
    change: TenantChange = {}
    if body.display_name is not None:
        change["display_name"] = body.display_name
    if body.environment is not None:
        before = await TENANTS.get(session, tenant_id)
        change["metadata"] = {**before.metadata, ENVIRONMENT: str(body.environment)}
        session = session.seen(tag_of(before))
    return shown(session, (await TENANTS.update(session, tenant_id, change)).value)


@router.delete("/{id}", status_code=204, response_model=None)
async def delete_tenant(tenant_id: TenantId, session: Asked) -> Response:
    """Deletes a tenant with its keys; its usage stays in the ledger."""
    await TENANTS.delete(session, tenant_id)
    return Response(status_code=204)


async def all_tenants(session: Session) -> list[Tenant]:
    """The first MOST, oldest first."""
    found: list[Tenant] = []
    while len(found) < MOST:
        after = (found[-1].created_at, found[-1].id) if found else None
        page = await TENANTS.page(session, PAGE, after)
        found += page
        if len(page) < PAGE:
            break
    return found


def shown(session: Session, tenant: Tenant) -> dict[str, Any]:
    hosts = session.ports.configured.portal_hosts
    return {
        "id": tenant.id,
        "display_name": tenant.display_name or tenant.name,
        "environment": tenant.metadata.get(ENVIRONMENT),
        **{name: hosts.get(name, REGION if name == "region" else "") for name in HOSTS},
        "created_at": rfc3339(tenant.created_at),
    }
