"""What an organization and each of its tenants has used this month, and how much of its limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from admin.access.permission import ResourceKind
from admin.commands.budgets import Budget, all_of, of_tenants
from admin.commands.directory import TENANTS
from admin.commands.session import Session, query
from ledger.sums import Figures, Interval, Selection
from tenancy.directory.organizations import NoSuchOrganization, Organization
from tenancy.directory.tenants import NoSuchTenant, Tenant
from tenancy.values.limit import Scope

MAX_LOOKED_AT = 20  # tenants whose budgets are looked at


@dataclass(frozen=True, slots=True)
class Spent:
    """A tenant's budget, and how much of it is spent."""

    tenant: Tenant
    budget: Budget

    @property
    def percent(self) -> int:
        return max(0, self.budget.used) * 100 // self.budget.limit.amount


@dataclass(frozen=True, slots=True)
class Summary:
    """Of an organization.  `spent`: of each of the first tenants the budget of which most is spent, those first."""

    organization: Organization
    tenants: int
    interval: Interval
    figures: Figures
    spent: Sequence[Spent]


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """Of a tenant; `spent`: each of its own budgets."""

    tenant: Tenant
    interval: Interval
    figures: Figures
    spent: Sequence[Spent]


@query(ResourceKind.ORGANIZATION)
async def summary(session: Session, organization_id: str) -> Summary:
    organization = await session.ports.organizations.get(organization_id)
    if organization is None:
        raise NoSuchOrganization(organization_id)
    count = await session.ports.organizations.count_tenants(organization_id)
    tenants = await session.ports.tenants.page(MAX_LOOKED_AT, organization=organization_id)
    interval = this_month()
    ids = await session.ports.organizations.tenant_ids(organization_id)
    found = await session.ports.sums.sums(Selection(tenants=ids), [interval])
    budgets = await of_tenants(session, [tenant.id for tenant in tenants])
    spent = [most for tenant in tenants if (most := max_of(_spent(tenant, budgets.get(tenant.id, ()))))]
    spent.sort(key=lambda each: -each.percent)
    return Summary(organization, count, interval, found[0].figures if found else Figures(), spent)


@query(ResourceKind.USAGE)
async def of_tenant(session: Session, tenant_id: str) -> TenantUsage:
    tenant = await session.ports.tenants.get(TENANTS.id(tenant_id))
    if tenant is None:
        raise NoSuchTenant(tenant_id)
    interval = this_month()
    found = await session.ports.sums.sums(Selection(tenant_id), [interval])
    budgets = await all_of(session, tenant.id)
    return TenantUsage(tenant, interval, found[0].figures if found else Figures(), _spent(tenant, budgets))


def max_of(spent: Sequence[Spent]) -> Spent | None:
    """The budget that is spent most."""
    return max(spent, key=lambda each: each.percent, default=None)


def this_month() -> Interval:
    """From the beginning of the month in UTC."""
    now = datetime.now(UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), now


def _spent(tenant: Tenant, budgets: Sequence[Budget]) -> list[Spent]:
    return [Spent(tenant, each) for each in budgets if each.limit.scope is not Scope.GROUP]
