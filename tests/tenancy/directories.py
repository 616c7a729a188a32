"""The ports of the tenancy tables, in memory and in Postgres, so that one table of statements runs against both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenancy.directory.audit import AuditLog
from tenancy.directory.capacity import Capacities
from tenancy.directory.groups import Groups
from tenancy.directory.keys import Keys
from tenancy.directory.mcp_servers import McpServers
from tenancy.directory.models import Registry
from tenancy.directory.named_policies import Policies
from tenancy.directory.tenants import Tenants
from tenancy.directory.users import Users
from tenancy.directory.webhooks.spend_alerts import SpendAlerts
from tenancy.directory.webhooks.webhooks import Webhooks
from tenancy.postgres.audit import PostgresAuditLog
from tenancy.postgres.capacity import PostgresCapacities
from tenancy.postgres.groups import PostgresGroups
from tenancy.postgres.keys import PostgresKeys
from tenancy.postgres.mcp_servers import PostgresMcpServers
from tenancy.postgres.models import PostgresRegistry
from tenancy.postgres.people.users import PostgresUsers
from tenancy.postgres.policies import PostgresPolicies
from tenancy.postgres.tenants import PostgresTenants
from tenancy.postgres.webhooks.spend_alerts import PostgresSpendAlerts
from tenancy.postgres.webhooks.webhooks import PostgresWebhooks
from tests.tenancy.memory.audit import MemoryAuditLog
from tests.tenancy.memory.capacity import MemoryCapacities
from tests.tenancy.memory.groups import MemoryGroups
from tests.tenancy.memory.keys import MemoryKeys
from tests.tenancy.memory.mcp_servers import MemoryMcpServers
from tests.tenancy.memory.models import MemoryRegistry
from tests.tenancy.memory.policies import MemoryPolicies
from tests.tenancy.memory.tenants import MemoryTenants, MemoryUsers
from tests.tenancy.memory.webhooks import MemorySpendAlerts, MemoryWebhooks

if TYPE_CHECKING:
    import asyncpg

KINDS = ("memory", "postgres")


@dataclass(frozen=True, slots=True)
class Directory:
    """All ports on one state."""

    tenants: Tenants
    keys: Keys
    users: Users
    groups: Groups
    registry: Registry
    servers: McpServers
    policies: Policies
    capacities: Capacities
    webhooks: Webhooks
    alerts: SpendAlerts
    log: AuditLog

    async def actions(self) -> list[str]:
        """What the audit log says, oldest first."""
        return [entry.action for entry in reversed(await self.log.newest(1000))]


def open_directory(kind: str, pool: "asyncpg.Pool[asyncpg.Record]") -> Directory:
    if kind == "memory":
        log = MemoryAuditLog()
        tenants = MemoryTenants(log, ("default", "research"))
        return Directory(
            tenants,
            MemoryKeys(tenants),
            MemoryUsers(tenants),
            MemoryGroups(log),
            MemoryRegistry(log),
            MemoryMcpServers(log, tenants),
            MemoryPolicies(log),
            MemoryCapacities(log),
            MemoryWebhooks(log),
            MemorySpendAlerts(log, tenants),
            log,
        )
    return Directory(
        PostgresTenants(pool),
        PostgresKeys(pool),
        PostgresUsers(pool),
        PostgresGroups(pool),
        PostgresRegistry(pool),
        PostgresMcpServers(pool),
        PostgresPolicies(pool),
        PostgresCapacities(pool),
        PostgresWebhooks(pool),
        PostgresSpendAlerts(pool),
        PostgresAuditLog(pool),
    )
