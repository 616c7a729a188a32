"""The management API as a surface.  A resource or a report is a module in one of two lists."""

import functools

from fastapi import Depends, FastAPI

from admin.access.permission import Action, Resource, ResourceKind
from admin.api import docs, health, problems, schema
from admin.api.call import PREFIX
from admin.api.paging import of_this_list
from admin.api.reports import audit, costs, export, live, requests, statement, stats, usage
from admin.api.resources import (
    accounts,
    admin_tokens,
    budget_audit,
    budgets,
    capacity,
    groups,
    keys,
    limits,
    mcp_servers,
    models,
    organizations,
    policies,
    tenants,
    users,
    webhooks,
)
from admin.commands.ports import Ports
from admin.gate import errors
from admin.gate.authentication import Bearer
from admin.gate.surface import Surface, on_ports

RESOURCES = (
    *(tenants, keys, users, groups, models, mcp_servers, policies, limits, budgets, budget_audit, capacity),
    *(organizations, accounts, admin_tokens, webhooks),
)
REPORTS = (usage, export, statement, costs, requests, stats, live, audit)
READING = frozenset({"GET", "HEAD", "OPTIONS"})
OWNERS_ONLY = {f"{PREFIX}/admin-tokens": ResourceKind.ADMIN_TOKEN, f"{PREFIX}/accounts": ResourceKind.ACCOUNT}
OPEN_PATHS = frozenset({f"{PREFIX}/health", *(f"{PREFIX}/docs{path}" for path in docs.PATHS)})
DESCRIPTION = """
Tenants, keys and limits of Tollkeeper.  Lists take `limit` and `cursor`.  Errors are RFC 9457 problem documents, and
a field that is not known is refused by name.  A change is in the database when it is answered;
`Tollkeeper-Propagation` says whether every sidecar has been told (`done`) or will be as soon as Redis is back
(`pending`).  `Tollkeeper-Notice` is for people: what was changed and may not do what they expect.

What is shown by its id carries an `ETag`; a change with `If-Match` is made only if nobody else has changed it since
(412).  A create, a rotation, or a change of a budget with an `Idempotency-Key` may be repeated for 24 hours: the same
body gets the first answer again, with `Idempotency-Replayed: true`; another body gets 422; and what showed a secret
gets 409, since no secret is kept.  A deletion with `?dry_run=true` says what would go.

The configured admin token is an owner.  Owners make further ones: viewers read, operators change everything else.
"""


def asks(method: str, path: str) -> tuple[Action, Resource]:
    """What a request asks for as far as it is known without its body: who has access, or what all roles read."""
    found = [kind for prefix, kind in OWNERS_ONLY.items() if path == prefix or path.startswith(f"{prefix}/")]
    return (Action.READ if method in READING else Action.CHANGE), Resource(found[0] if found else ResourceKind.TENANT)


def management_api(ports: Ports) -> Surface:
    return Surface((PREFIX,), on_ports(api(), ports), Bearer(ports.principals), asks, problems.problem, OPEN_PATHS)


@functools.cache
def api() -> FastAPI:
    """The routes, without the middlewares in front of them, on no ports."""
    app = FastAPI(
        title="Tollkeeper",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(of_this_list)],
    )
    for module in (*RESOURCES, *REPORTS, docs, health):
        app.include_router(module.router, prefix=PREFIX)
    errors.install(app, problems.problem)
    problems.install(app)
    schema.install(app, OPEN_PATHS)
    return app
