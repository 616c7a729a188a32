"""The management API as an app: puts routes, gate, problems and ports together.  A resource is a file in this list."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from admin import (
    admin_tokens,
    audit,
    budgets,
    capacity,
    costs,
    docs,
    groups,
    health,
    keys,
    limits,
    live,
    mcp_servers,
    models,
    policies,
    problems,
    repeats,
    schema,
    stats,
    tenants,
    usage,
    users,
)
from admin.audited import PostgresAudited
from admin.auth import FailedAttempts, Principals
from admin.gate import Gate
from admin.metrics import AdminMetrics
from admin.propagation import Propagation
from admin.services import Services
from admin.standings import PostgresStandings
from admin.tokens_postgres import PostgresAdminTokens
from ledger.postgres.roller import Roller
from ledger.postgres.sums import PostgresSums
from ratelimit.budgets.control_redis import RedisControl
from ratelimit.fleet.reports_redis import RedisReports
from store.postgres import PostgresPool
from tenancy.postgres.audit import PostgresAuditLog
from tenancy.postgres.capacity import PostgresCapacities
from tenancy.postgres.groups import PostgresGroups
from tenancy.postgres.idempotency import PostgresRepeats
from tenancy.postgres.keys import PostgresKeys
from tenancy.postgres.limits import PostgresLimits
from tenancy.postgres.limits_in_force import PostgresLimitsInForce
from tenancy.postgres.mcp_servers import PostgresMcpServers
from tenancy.postgres.models import PostgresRegistry
from tenancy.postgres.policies import PostgresPolicies
from tenancy.postgres.tenants import PostgresTenants
from tenancy.postgres.users import PostgresUsers

if TYPE_CHECKING:
    from redis import asyncio as aio

PREFIX = "/api/v1"
RESOURCES: tuple[APIRouter, ...] = (
    tenants.router,
    keys.router,
    users.router,
    models.router,
    groups.router,
    limits.router,
    budgets.router,
    usage.router,
    costs.router,
    stats.router,
    live.router,
    capacity.router,
    mcp_servers.router,
    policies.router,
    admin_tokens.router,
    audit.router,
    docs.router,
    health.router,
)
OWNERS_ONLY = f"{PREFIX}/admin-tokens"
OPEN_PATHS = frozenset({f"{PREFIX}/health", *(f"{PREFIX}/docs{path}" for path in docs.PATHS)})
DESCRIPTION = """
Tenants, keys and limits of Tollkeeper.  Lists take `limit` and `cursor`.  Errors are RFC 9457 problem documents, and a
field that is not known is refused by name.  A change is in the database when it is answered; `Tollkeeper-Propagation`
says whether every sidecar has been told (`done`) or will be as soon as Redis is back (`pending`).

What is shown by its id carries an `ETag`; a change with `If-Match` is made only if nobody else has changed it since
(412).  A create, a rotation, or a change of a budget with an `Idempotency-Key` may be repeated for 24 hours: the same
body gets the first answer again, with `Idempotency-Replayed: true`; another body gets 422; and what showed a secret
gets 409, since no secret is kept.  A deletion with `?dry_run=true` says what would go.

The configured admin token is an owner.  Owners make further ones: viewers read, operators change everything else.
"""


def create_app(
    pool: PostgresPool,
    redis: "aio.Redis | aio.RedisCluster",
    *,
    admin_token: str,
    cors_origins: Sequence[str] = (),
    metrics: AdminMetrics | None = None,
) -> FastAPI:
    """The app on two stores that the caller opened on the app's loop, and closes.  NoAdminToken without a token."""
    principals = Principals(admin_token, PostgresAdminTokens(pool))
    metrics = metrics or AdminMetrics()
    propagation = Propagation(pool, redis, metrics)
    app = FastAPI(
        title="Tollkeeper",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = _services(pool, redis, propagation, principals)
    app.state.roller = Roller(pool, metrics.rolled, metrics.roll_errors)
    for router in RESOURCES:
        app.include_router(router, prefix=PREFIX)
    problems.install(app)
    repeats.install(app)
    schema.install(app, OPEN_PATHS)
    app.add_middleware(
        Gate,
        principals=principals,
        failed=FailedAttempts(),
        open_paths=OPEN_PATHS,
        owners_only=OWNERS_ONLY,
        metrics=metrics,
    )
    if cors_origins:  # in front of the gate: browsers ask without a token whether they may send one
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "if-match", "idempotency-key", "x-request-id"],
            expose_headers=["etag", "location", "idempotency-replayed", "tollkeeper-propagation", "x-request-id"],
        )
    return app


def _services(
    pool: PostgresPool, redis: "aio.Redis | aio.RedisCluster", propagation: Propagation, principals: Principals
) -> Services:
    return Services(
        tenants=PostgresTenants(pool),
        keys=PostgresKeys(pool),
        users=PostgresUsers(pool),
        groups=PostgresGroups(pool),
        registry=PostgresRegistry(pool),
        audit_log=PostgresAuditLog(pool),
        sums=PostgresSums(pool),
        propagation=propagation,
        capacities=PostgresCapacities(pool),
        reports=RedisReports(redis),
        standings=PostgresStandings(pool),
        limits=PostgresLimits(pool),
        limits_in_force=PostgresLimitsInForce(pool),
        control=RedisControl(redis),
        audited=PostgresAudited(pool),
        mcp_servers=PostgresMcpServers(pool),
        policies=PostgresPolicies(pool),
        admin_tokens=PostgresAdminTokens(pool),
        principals=principals,
        repeats=PostgresRepeats(pool),
    )


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(app.state.services.propagation.reconcile(), name="outbox-reconciler"),
        asyncio.create_task(app.state.roller.run(), name="usage-roller"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
