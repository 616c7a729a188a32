"""The stores behind the commands, and the ports that only the control plane has.  Filled by admin/app.py."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from admin.access.accounts import Accounts, Invitations
from admin.access.browser_sessions import BrowserSessions
from admin.access.desk import Desk
from admin.access.principals import Principals
from admin.access.tokens import AdminTokens
from ledger.denials import Denials
from ledger.requests import Requests
from ledger.rows import Rows
from ledger.sums import Sums
from ratelimit.budgets.control_redis import RedisControl
from ratelimit.fleet.reports_redis import RedisReports
from reconcile.books import Books
from tenancy.directory.audit import AuditLog, Snapshot
from tenancy.directory.capacity import Capacities
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.groups import Groups
from tenancy.directory.idempotency import Repeats
from tenancy.directory.keys import Keys
from tenancy.directory.mcp_servers import McpServers
from tenancy.directory.models import Registry
from tenancy.directory.named_policies import Policies
from tenancy.directory.organizations import Organizations
from tenancy.directory.price_history import PriceHistory
from tenancy.directory.stored_limits import Limits, LimitsInForce
from tenancy.directory.teams import Teams
from tenancy.directory.tenants import Tenants
from tenancy.directory.users import Users
from tenancy.directory.webhooks.spend_alerts import SpendAlerts
from tenancy.directory.webhooks.webhooks import Webhooks
from tenancy.values.receiver import Reach
from tenancy.values.upstream import Upstream

Answered: TypeAlias = Callable[[Snapshot], Awaitable[None]]


class Audited(Protocol):
    """A change outside of Postgres with its audit entry: both or, as far as two stores allow, neither.

    Raises what store.postgres.UNAVAILABLE lists when the entry could not be made; the change may then have been.
    """

    def __call__(
        self, by: ChangeRequest, action: str, target: tuple[str, str], before: Snapshot | None, after: Snapshot | None
    ) -> AbstractAsyncContextManager[Answered]:
        """The entry is written before the block, which makes the change, and stays only if the block does not raise.

        The block is handed what keeps the answer for a repetition; AlreadyAsked before it if this is one.
        """


class Propagation(Protocol):
    """Carries committed changes to Redis and the sidecars."""

    async def push(self) -> bool:
        """True if they know of everything committed so far; False: they will as soon as Redis is back."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's place: its group and its weight within it."""

    id: str
    name: str
    fairshare_group: str
    weight: int
    max_in_flight: int | None


class Standings(Protocol):
    """What tenants and groups are entitled to.  Raises what store.postgres.UNAVAILABLE lists."""

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, Standing]:
        """By id; those that were deleted are missing."""

    async def of_groups(self, limit: int) -> Mapping[str, int]:
        """The weights of at most `limit` groups, by name."""


class Names(Protocol):
    """What people call things, by id; what is gone has none.  Of one organization's alone, if that is said.  Raises
    what store.postgres.UNAVAILABLE lists."""

    async def of_tenants(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]: ...
    async def of_keys(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says that commands and surfaces have to know.

    `default_rate_limit`: requests a minute of tenants that are made through ChatAPI; None: it was not said.
    `portal_hosts`: where the portal says that things are, by the names of its fields.
    `link_local_endpoints`: whether models may have endpoints at link-local addresses.
    `admits_unregistered`: whether sidecars admit models that are not registered.
    `webhook_secrets`: what the secrets that sign webhooks follow from; `local_webhooks`: whether webhooks may lead to
    this machine, and those of organizations into networks that are not the Internet.
    `currency`: what prices are in (ISO 4217).  `issuer`: who charges for what was used.
    """

    default_rate_limit: int | None = None
    portal_hosts: Mapping[str, str] = field(default_factory=dict)
    link_local_endpoints: bool = False
    admits_unregistered: bool = True
    webhook_secrets: Sequence[str] = field(default=(), repr=False)
    local_webhooks: bool = False
    currency: str = "USD"
    issuer: str = "Tollkeeper"

    def reach(self, organization: str | None) -> Reach:
        """How far the webhooks of an organization reach, or those of the operators."""
        local = self.local_webhooks
        return Reach(local, local) if organization else Reach(True, local, self.link_local_endpoints)


NOTHING = Configured()


class Trials(Protocol):
    """Sidecars, asked before a model is kept."""

    async def refused(self, model: str, upstream: Upstream) -> str:
        """Why one of them could not send requests there; "" if none says so."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What commands and queries work with."""

    tenants: Tenants
    teams: Teams
    keys: Keys
    users: Users
    groups: Groups
    models: Registry
    limits: Limits
    limits_in_force: LimitsInForce
    policies: Policies
    mcp_servers: McpServers
    capacities: Capacities
    organizations: Organizations
    accounts: Accounts
    invitations: Invitations
    desk: Desk
    configured: Configured
    admin_tokens: AdminTokens
    principals: Principals
    browser_sessions: BrowserSessions
    audit_log: AuditLog
    audited: Audited
    repeats: Repeats
    control: RedisControl
    reports: RedisReports
    trials: Trials
    standings: Standings
    names: Names
    sums: Sums
    rows: Rows
    requests: Requests
    denials: Denials
    price_history: PriceHistory
    books: Books
    propagation: Propagation
    webhooks: Webhooks
    spend_alerts: SpendAlerts
