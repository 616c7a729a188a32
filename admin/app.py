"""The control plane as an ASGI app: the stores behind the commands, and the surfaces in front of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING

import structlog
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp

from admin.access.desk import Desk
from admin.access.principals import Principals
from admin.access.sessions import SignedIn
from admin.access.signing import Signing
from admin.access.webhook_secrets import WebhookSecrets
from admin.commands import default_rate
from admin.commands.ports import NOTHING, Configured, Ports, Propagation
from admin.commands.refusals import STORES_AWAY
from admin.gate.stack import gated
from admin.metrics import AdminMetrics
from admin.postgres.accounts import PostgresAccounts
from admin.postgres.audited import PostgresAudited
from admin.postgres.browser_sessions import PostgresBrowserSessions
from admin.postgres.invitations import PostgresInvitations
from admin.postgres.names import PostgresNames
from admin.postgres.propagation import PostgresPropagation
from admin.postgres.sessions import PostgresSessions
from admin.postgres.standings import PostgresStandings
from admin.postgres.tokens import PostgresAdminTokens
from admin.surfaces import OTHERS, surfaces
from admin.webhooks.deliverer import Deliverer
from admin.webhooks.noticing import Noticing
from admin.webhooks.sending import Sender
from ledger.adapters import Adapters, adapters_on
from ratelimit.budgets.control_redis import RedisControl
from ratelimit.budgets.restoring_redis import RedisRestoring
from ratelimit.fleet.reports_redis import RedisReports
from reconcile.books import Books
from store.clickhouse import Clickhouse
from store.postgres import PostgresPool
from tenancy.postgres.audit import PostgresAuditLog
from tenancy.postgres.capacity import PostgresCapacities
from tenancy.postgres.census import PostgresCensus
from tenancy.postgres.groups import PostgresGroups
from tenancy.postgres.idempotency import PostgresRepeats
from tenancy.postgres.key_ages import key_ages
from tenancy.postgres.keys import PostgresKeys
from tenancy.postgres.limits import PostgresLimits
from tenancy.postgres.limits_in_force import PostgresLimitsInForce
from tenancy.postgres.mcp_servers import PostgresMcpServers
from tenancy.postgres.models import PostgresRegistry
from tenancy.postgres.people.organizations import PostgresOrganizations
from tenancy.postgres.people.teams import PostgresTeams
from tenancy.postgres.people.users import PostgresUsers
from tenancy.postgres.policies import PostgresPolicies
from tenancy.postgres.price_history import PostgresPriceHistory
from tenancy.postgres.tenants import PostgresTenants
from tenancy.postgres.webhooks.notices import Notices
from tenancy.postgres.webhooks.queue import WebhookQueue
from tenancy.postgres.webhooks.spend_alerts import PostgresSpendAlerts
from tenancy.postgres.webhooks.webhooks import PostgresWebhooks
from tenancy.redis.trials import RedisTrials

if TYPE_CHECKING:
    from redis import asyncio as aio


COUNT_SECONDS = 60.0
AGAIN_SECONDS = 1.0  # before a database that was away is asked again

log = structlog.get_logger(__name__)


def create_app(
    pool: PostgresPool,
    redis: "aio.Redis | aio.RedisCluster",
    *,
    admin_token: str,
    portal_secrets: Sequence[str] = (),
    configured: Configured = NOTHING,
    cors_origins: Sequence[str] = (),
    others: Iterable[str] = tuple(OTHERS),
    metrics: AdminMetrics | None = None,
    clickhouse: Clickhouse | None = None,
) -> ASGIApp:
    """The app on stores that the caller opened on the app's loop, and closes.  NoAdminToken without a token.

    `others`: which surfaces are served beside the management API."""
    metrics = metrics or AdminMetrics()
    propagation = PostgresPropagation(pool, redis, metrics)
    adapters = adapters_on(pool, clickhouse)

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(propagation.reconcile(), name="outbox-reconciler"),
            asyncio.ensure_future(adapters.roll(metrics.rolled, metrics.roll_errors)),
            asyncio.create_task(_follow_default(ports), name="default-rate"),
            asyncio.create_task(_count_keys(pool, metrics), name="key-ages"),
            asyncio.create_task(_deliverer(pool, configured, metrics).run(), name="webhooks"),
            asyncio.create_task(Noticing(Notices(pool), ports).run(), name="webhook-notices"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    ports = ports_on(pool, redis, propagation, admin_token, portal_secrets, configured, adapters)
    app: ASGIApp = Router(default=gated(surfaces(ports, others), metrics), lifespan=lifespan)
    return _with_cors(app, cors_origins) if cors_origins else app


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """In front of everything: browsers ask without a token whether they may send one."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type", "if-match", "idempotency-key", "x-request-id"],
        expose_headers=[
            "etag",
            "location",
            "idempotency-replayed",
            "tollkeeper-propagation",
            "tollkeeper-notice",
            "x-request-id",
        ],
    )


async def _follow_default(ports: Ports) -> None:
    """Runs once, when the database answers."""
    while True:
        try:
            changed = await default_rate.follow(ports)
        except STORES_AWAY as error:
            log.warning("the default rate waits for the database", reason=repr(error))
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            if changed:
                log.info("tenants have another default rate", tenants=changed)
            return


def _deliverer(pool: PostgresPool, configured: Configured, metrics: AdminMetrics) -> Deliverer:
    secrets = WebhookSecrets(configured.webhook_secrets)
    sender = Sender(secrets, configured.reach(None), configured.reach("any"))
    return Deliverer(WebhookQueue(pool), sender, metrics)


async def _count_keys(pool: PostgresPool, metrics: AdminMetrics) -> None:
    while True:
        try:
            metrics.keys = await key_ages(pool)
        except STORES_AWAY as error:
            log.info("keys could not be counted", reason=repr(error))
        await asyncio.sleep(COUNT_SECONDS)


def ports_on(
    pool: PostgresPool,
    redis: "aio.Redis | aio.RedisCluster",
    propagation: Propagation,
    admin_token: str,
    portal_secrets: Sequence[str] = (),
    configured: Configured = NOTHING,
    adapters: Adapters | None = None,
) -> Ports:
    """What commands work with; NoAdminToken without a token.  `adapters`: on Postgres without."""
    adapters = adapters or adapters_on(pool, None)
    tokens, sessions = PostgresAdminTokens(pool), PostgresSessions(pool)
    signing = Signing(portal_secrets)
    signed_in = SignedIn(signing, sessions)
    return Ports(
        tenants=PostgresTenants(pool),
        teams=PostgresTeams(pool),
        keys=PostgresKeys(pool),
        users=PostgresUsers(pool),
        groups=PostgresGroups(pool),
        models=PostgresRegistry(pool),
        limits=PostgresLimits(pool),
        limits_in_force=PostgresLimitsInForce(pool),
        policies=PostgresPolicies(pool),
        mcp_servers=PostgresMcpServers(pool),
        capacities=PostgresCapacities(pool),
        admin_tokens=tokens,
        organizations=PostgresOrganizations(pool),
        accounts=PostgresAccounts(pool),
        invitations=PostgresInvitations(pool),
        desk=Desk(sessions, signing, signed_in),
        configured=configured,
        principals=Principals(admin_token, tokens, signed_in=signed_in),
        browser_sessions=PostgresBrowserSessions(pool),
        audit_log=PostgresAuditLog(pool),
        audited=PostgresAudited(pool),
        repeats=PostgresRepeats(pool),
        control=RedisControl(redis),
        reports=RedisReports(redis),
        trials=RedisTrials(redis),
        standings=PostgresStandings(pool),
        names=PostgresNames(pool),
        sums=adapters.sums,
        rows=adapters.rows,
        requests=adapters.requests,
        denials=adapters.denials,
        price_history=PostgresPriceHistory(pool),
        books=Books(PostgresCensus(pool), adapters.sums, RedisRestoring(redis)),
        propagation=propagation,
        webhooks=PostgresWebhooks(pool),
        spend_alerts=PostgresSpendAlerts(pool),
    )
