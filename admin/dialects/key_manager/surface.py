"""The key manager as a surface: at the root of the port, `Authorization: ADMIN <admin token>`."""

import functools

from fastapi import FastAPI

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.ports import Ports
from admin.dialects.key_manager import keys, models, teams, usage
from admin.dialects.key_manager.errors import error
from admin.gate import errors
from admin.gate.authentication import Bearer
from admin.gate.surface import Surface, on_ports

PREFIXES = ("/teams", "/users", "/models", "/v1/models", "/delete_key")
SCHEME = "ADMIN"
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def key_manager(ports: Ports) -> Surface:
    return Surface(PREFIXES, on_ports(routes(), ports), Bearer(ports.principals, SCHEME), asks, error)


def asks(method: str, path: str) -> tuple[Action, Resource]:
    """Every role may read everything here; changing needs its permission."""
    return (Action.READ if method in READING else Action.CHANGE), Resource(ResourceKind.TENANT)


@functools.cache
def routes() -> FastAPI:
    """The routes.  The OpenAPI document is the management API's, and about its routes only."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for module in (teams, keys, usage, models):
        app.include_router(module.router)
    errors.install(app, error)
    return app
