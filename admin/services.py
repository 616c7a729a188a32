"""What the routes work with: the ports, and who is asking.  Made once by app.py, handed to routes as dependencies."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response

from accesslog.sums import Sums
from admin.audited import Audited
from admin.auth import Principals
from admin.propagation import Propagation
from admin.standings import Standings
from admin.terms import By
from admin.tokens import AdminTokens
from ratelimit.control import BudgetControl
from ratelimit.report import Reports
from tenancy.audit import AuditLog, Origin
from tenancy.capacity import Capacities
from tenancy.groups import Groups
from tenancy.keys import Keys
from tenancy.limits import Limits, LimitsInForce
from tenancy.mcp_servers import McpServers
from tenancy.policies import Policies
from tenancy.registry import Registry
from tenancy.repeats import Repeats
from tenancy.tenants import Tenants
from tenancy.terms import Deleted
from tenancy.users import Users

__all__ = ["By", "Services", "Use"]

PROPAGATION_HEADER = "tollkeeper-propagation"


@dataclass(frozen=True, slots=True)
class Services:
    """The ports that the routes use."""

    tenants: Tenants
    keys: Keys
    users: Users
    groups: Groups
    registry: Registry
    audit_log: AuditLog
    sums: Sums
    propagation: Propagation
    capacities: Capacities
    reports: Reports
    standings: Standings
    limits: Limits
    limits_in_force: LimitsInForce
    control: BudgetControl
    audited: Audited
    mcp_servers: McpServers
    policies: Policies
    admin_tokens: AdminTokens
    principals: Principals
    repeats: Repeats

    async def propagate(self, response: Response) -> None:
        """Tells Redis and the sidecars of the change just committed, and the caller if they could not be told yet."""
        response.headers[PROPAGATION_HEADER] = "done" if await self.propagation.push() else "pending"

    async def deleted(self, gone: Deleted, by: Origin) -> Response:
        """The answer to a deletion: nothing, or what a dry run found."""
        if by.dry_run:
            return JSONResponse({"dry_run": True, "deletes": dict(gone)})
        response = Response(status_code=204)
        await self.propagate(response)
        return response


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(_services)]
