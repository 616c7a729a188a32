"""The portal as a surface: at the root of the port, `Authorization: Bearer <token>`, as /auth/login gives one."""

import functools

from fastapi import FastAPI

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.ports import Ports
from admin.dialects.portal import auth, dashboard, keys, organization, tenants
from admin.dialects.portal.errors import error
from admin.gate import errors
from admin.gate.authentication import Bearer
from admin.gate.surface import Surface, on_ports

PREFIXES = (auth.PREFIX, "/tenants", "/dashboard", organization.PREFIX)
NEEDED = "a token is needed, as POST /auth/login gives one: Authorization: Bearer <token>"
WRONG = "this token has expired, or is not known: POST /auth/refresh or /auth/login gives another"
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def portal(ports: Ports) -> Surface:
    authentication = Bearer(ports.principals, needed=NEEDED, wrong=WRONG)
    return Surface(PREFIXES, on_ports(routes(), ports), authentication, asks, error, auth.OPEN_PATHS)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    """Who has access is for owners; everybody may sign out."""
    people = any(path == each or path.startswith(f"{each}/") for each in organization.PEOPLE)
    reading = method in READING or path.startswith(f"{auth.PREFIX}/")
    return (Action.READ if reading else Action.CHANGE), Resource(
        ResourceKind.ACCOUNT if people else ResourceKind.TENANT
    )


@functools.cache
def routes() -> FastAPI:
    """The routes.  The OpenAPI document is the management API's, and about its routes only."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for module in (auth, keys, tenants, dashboard, organization):
        app.include_router(module.router)
    errors.install(app, error)
    return app
