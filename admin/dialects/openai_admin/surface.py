"""The administration API as a surface: `Authorization: Bearer <admin token>`, errors as OpenAI's clients read them."""

import functools

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refusal
from admin.dialects.openai_admin import spending
from admin.gate import errors
from admin.gate.authentication import Bearer
from admin.gate.surface import STATUSES, Surface, on_ports

READING = frozenset({"GET", "HEAD", "OPTIONS"})
STATUS = {**STATUSES, Reason.INVALID: 400}
TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests", 500: "server_error"}
SERVER_ERROR = 500


def openai_admin(ports: Ports) -> Surface:
    return Surface((spending.PREFIX,), on_ports(routes(), ports), Bearer(ports.principals), asks, error)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    return (Action.READ if method in READING else Action.CHANGE), Resource(ResourceKind.TENANT)


def error(refusal: Refusal, request_id: str) -> JSONResponse:
    """OpenAI's shape; `param` is the first field that is wrong."""
    status = STATUS[refusal.reason]
    kind = TYPES.get(status, "server_error" if status > SERVER_ERROR else "invalid_request_error")
    param = refusal.fields[0][0] if refusal.fields else None
    body = {"message": refusal.detail, "type": kind, "param": param, "code": str(refusal.reason)}
    headers = {} if refusal.retry_seconds is None else {"retry-after": str(refusal.retry_seconds)}
    return JSONResponse({"error": body}, status, headers)


@functools.cache
def routes() -> FastAPI:
    """The routes.  The OpenAPI document is the management API's, and about its routes only."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(spending.router)
    errors.install(app, error)
    return app
