"""The ports of the tenancy tables, in memory and in Postgres, so that one table of statements runs against both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenancy.audit import AuditLog, MemoryAuditLog
from tenancy.audit_postgres import PostgresAuditLog
from tenancy.groups import Groups, MemoryGroups
from tenancy.groups_postgres import PostgresGroups
from tenancy.keys import Keys
from tenancy.keys_memory import MemoryKeys
from tenancy.keys_postgres import PostgresKeys
from tenancy.mcp_servers import McpServers, MemoryMcpServers
from tenancy.mcp_servers_postgres import PostgresMcpServers
from tenancy.policies import MemoryPolicies, Policies
from tenancy.policies_postgres import PostgresPolicies
from tenancy.registry import Registry
from tenancy.registry_memory import MemoryRegistry
from tenancy.registry_postgres import PostgresRegistry
from tenancy.tenants import Tenants
from tenancy.tenants_memory import MemoryTenants, MemoryUsers
from tenancy.tenants_postgres import PostgresTenants
from tenancy.users import Users
from tenancy.users_postgres import PostgresUsers

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
            MemoryMcpServers(log),
            MemoryPolicies(log),
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
        PostgresAuditLog(pool),
    )
