"""What the routes work with: the ports, and who is asking.  Made once by app.py, handed to routes as dependencies."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import JSONResponse, Response

from admin.audited import Audited
from admin.auth import Principals
from admin.propagation import Propagation
from admin.standings import Standings
from admin.terms import By
from admin.tokens import AdminTokens
from ledger.sums import Sums
from ratelimit.budgets.control import BudgetControl
from ratelimit.fleet.report import Reports
from tenancy.directory.audit import AuditLog
from tenancy.directory.capacity import Capacities
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.groups import Groups
from tenancy.directory.idempotency import Repeats
from tenancy.directory.keys import Keys
from tenancy.directory.mcp_servers import McpServers
from tenancy.directory.models import Registry
from tenancy.directory.named_policies import Policies
from tenancy.directory.stored_limits import Limits, LimitsInForce
from tenancy.directory.tenants import Tenants
from tenancy.directory.users import Users

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

    async def deleted(self, gone: Deleted, by: ChangeRequest) -> Response:
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
