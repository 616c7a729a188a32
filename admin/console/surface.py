"""The console as a surface.  A page is a module in one list; every answer has the headers of render.py."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.access.permission import Action, Resource, ResourceKind
from admin.commands.ports import Ports
from admin.commands.refusals import MAX_SHOWN, Reason, Refusal, Refused
from admin.commands.repeats import Replayed
from admin.console import sign_in
from admin.console.cookies import PREFIX
from admin.console.forms import Forms
from admin.console.pages import (
    audit,
    budgets,
    caches,
    capacity,
    groups,
    keys,
    limits,
    mcp_servers,
    models,
    overview,
    people,
    policies,
    requests,
    statements,
    tenants,
    tiers,
    usage,
    webhooks,
)
from admin.console.render import BY_PATH, refused
from admin.console.sign_in import ACCEPT, SIGN_IN, SIGN_OUT, SignedIn
from admin.console.soon import Soon
from admin.console.visit import Visit
from admin.gate.answers import request_id_of
from admin.gate.surface import Surface

PAGES = (
    *(overview, tenants, keys, budgets, limits, usage, statements, requests),
    *(models, tiers, caches, mcp_servers, groups, capacity, policies, people, webhooks, audit),
)
OPEN_PATHS = frozenset({SIGN_IN, ACCEPT, *BY_PATH})
REASONS = {404: Reason.NOT_FOUND, 405: Reason.NO_OPERATION}
# The pages that show what a repeated form made the first time, by target type.
MADE = {
    "tenant": "tenants",
    "api_key": "keys",
    "model": "models",
    "mcp_server": "mcp-servers",
    "organization": "organizations",
    "webhook": "webhooks",
}


def asks(method: str, path: str) -> tuple[Action, Resource]:
    """A kind that all roles may read; everybody may sign out."""
    reading = method in ("GET", "HEAD") or path == SIGN_OUT
    return (Action.READ if reading else Action.CHANGE), Resource(ResourceKind.TENANT)


def console(ports: Ports) -> Surface:
    return Surface((PREFIX,), _app(ports), SignedIn(ports), asks, refused, OPEN_PATHS, SIGN_IN)


def _app(ports: Ports) -> ASGIApp:
    app = Starlette(
        routes=[route for module in (sign_in, *PAGES) for route in module.routes.all],
        exception_handlers={Refused: _refused, Replayed: _again, HTTPException: _http},
    )
    app.router.redirect_slashes = False
    app.state.ports, app.state.usage = ports, Soon()
    pages = Forms(app, refused)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await BY_PATH.get(scope["path"], pages)(scope, receive, send)

    return served


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - as registered
    made = error.refusal.made
    if made is not None and made[0] in MADE:
        return RedirectResponse(f"{PREFIX}/{MADE[made[0]]}/{made[1]}", 303)
    return refused(error.refusal, request_id_of(request.scope), Visit(request))


async def _again(request: Request, error: Exception) -> Response:
    """The form was sent twice: shows what the first one made."""
    assert isinstance(error, Replayed)  # noqa: S101 - as registered
    kind, id = error.repeat.target_type, error.repeat.target_id
    return RedirectResponse(f"{PREFIX}/{MADE[kind]}/{id}" if kind in MADE else request.url.path, 303)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    reason = REASONS.get(error.status_code, Reason.INTERNAL)
    refusal = Refusal(reason, f"there is no page at {request.url.path[:MAX_SHOWN]}")
    return refused(refusal, request_id_of(request.scope), Visit(request))
