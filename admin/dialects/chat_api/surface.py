"""ChatAPI as a surface: `POST /admin/tenants` with `X-Master-Key: <admin token>`."""

import functools
import secrets
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from admin.access.permission import Action, Principal, Resource, ResourceKind
from admin.access.principals import Principals
from admin.commands.default_rate import create_with_key
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refusal
from admin.fields import Body, Name, rfc3339
from admin.gate import errors
from admin.gate.answers import session_of
from admin.gate.surface import STATUSES, Surface, on_ports
from tenancy.directory.keys import NewKey
from tenancy.directory.tenants import NewTenant

PREFIX = "/admin"
HEADER = "x-master-key"
UNAUTHORIZED = "Unauthorized"
FIRST_KEY = "default"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
router = APIRouter(prefix=PREFIX)


class MasterKey:
    """An Authentication: `X-Master-Key: <admin token>`."""

    challenge = 'X-Master-Key realm="tollkeeper"'

    def __init__(self, principals: Principals) -> None:
        self._principals = principals

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        given = request.headers.get(HEADER, "").strip()
        if not given:
            return Refusal(Reason.NO_CREDENTIAL, UNAUTHORIZED)
        return await self._principals.find(given) or Refusal(Reason.WRONG_CREDENTIAL, UNAUTHORIZED)


class TenantBody(Body):
    """A tenant to be made."""

    name: Name


@router.post("/tenants", status_code=201)
async def create_tenant(body: TenantBody, request: Request) -> dict[str, Any]:
    """Creates a tenant and its first key, which is shown here and never again."""
    session = session_of(request.scope, request.app.state.ports)
    minted = f"tenant_{secrets.token_hex(6)}"
    key = NewKey(FIRST_KEY)
    made = (await create_with_key(session, NewTenant(minted, display_name=body.name, id=minted), key)).value
    shown = {"tenant_id": made.id, "api_key": key.secret, "name": made.display_name}
    return {**shown, "created_at": rfc3339(made.created_at)}


def error(refusal: Refusal, request_id: str) -> JSONResponse:
    """An object with `error`, in words."""
    headers = {} if refusal.retry_seconds is None else {"retry-after": str(refusal.retry_seconds)}
    return JSONResponse({"error": refusal.detail, "request_id": request_id}, STATUSES[refusal.reason], headers)


def chat_api(ports: Ports) -> Surface:
    return Surface((PREFIX,), on_ports(routes(), ports), MasterKey(ports.principals), asks, error)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    return (Action.READ if method in READING else Action.CHANGE), Resource(ResourceKind.TENANT)


@functools.cache
def routes() -> FastAPI:
    """The routes.  The OpenAPI document is the management API's, and about its routes only."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(router)
    errors.install(app, error)
    return app
