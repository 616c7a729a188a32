"""What a tenant may spend in a month, and the sums from which webhooks are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from admin.access.permission import ResourceKind
from admin.commands import limits
from admin.commands.budgets import Whose, page
from admin.commands.directory import LIMITS, TENANTS
from admin.commands.limits import LimitRequest
from admin.commands.refusals import Reason, Refusal, Refused
from admin.commands.session import Done, Session, command, query
from tenancy.directory.change_request import Deleted
from tenancy.directory.stored_limits import StoredLimit
from tenancy.directory.webhooks.spend_alerts import NewAlert, SpendAlert
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Scope, Unit
from tenancy.values.prices import MICRO

NAME = "spend_limit"  # the name of the limit that implements it
CENTS = 100
MAX_BUDGETS = 1000
NONE = Refusal(Reason.NOT_FOUND, "the project has no spend limit")


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """`cents` in a calendar month of UTC; `spent`: all of it, so that requests are refused."""

    cents: int
    spent: bool


async def spend_limit(session: Session, tenant_id: str) -> SpendLimit:
    """NOT_FOUND if the tenant has none."""
    limit = await _existing(session, tenant_id)
    found = await page(session, Whose(tenant_id), MAX_BUDGETS)
    spent = any(each.limit.id == limit.id and not each.remaining for each in found)
    return SpendLimit(limit.amount * CENTS // MICRO, spent)


async def set_spend_limit(session: Session, tenant_id: str, cents: int) -> Done[StoredLimit]:
    """Sets the limit; what was spent under an earlier one stays spent."""
    amount = Decimal(cents) / CENTS
    found = await _find(session, tenant_id)
    if found is not None:
        return await limits.update(session, found.id, {"amount": amount})
    asked = LimitRequest(
        scope=Scope.TENANT,
        unit=Unit.COST,
        amount=amount,
        calendar=Calendar.MONTH,
        tenant_id=TENANTS.id(tenant_id),
        name=NAME,
    )
    return await limits.create(session, asked)


async def delete_spend_limit(session: Session, tenant_id: str) -> Done[Deleted]:
    """NOT_FOUND if the tenant has none."""
    return await LIMITS.delete(session, (await _existing(session, tenant_id)).id)


@query(ResourceKind.WEBHOOK)
async def alerts(session: Session, tenant_id: str) -> Sequence[SpendAlert]:
    """All alerts of a tenant, oldest first."""
    await TENANTS.get(session, tenant_id)
    return await session.ports.spend_alerts.of_tenant(tenant_id)


async def alert(session: Session, tenant_id: str, alert_id: str) -> SpendAlert:
    found = next((each for each in await alerts(session, tenant_id) if each.id == alert_id), None)
    if found is None:
        raise Refused(Refusal(Reason.NOT_FOUND, f"there is no spend alert {alert_id!r}"))
    return found


@command(ResourceKind.WEBHOOK)
async def create_alert(session: Session, tenant_id: str, new: NewAlert) -> SpendAlert:
    return await session.ports.spend_alerts.create(TENANTS.id(tenant_id), new, session.by)


@command(ResourceKind.WEBHOOK)
async def update_alert(session: Session, tenant_id: str, alert_id: str, to: NewAlert) -> SpendAlert:
    return await session.ports.spend_alerts.update(TENANTS.id(tenant_id), alert_id, to, session.by)


@command(ResourceKind.WEBHOOK)
async def delete_alert(session: Session, tenant_id: str, alert_id: str) -> Deleted:
    return await session.ports.spend_alerts.delete(TENANTS.id(tenant_id), alert_id, session.by)


@query(ResourceKind.LIMIT)
async def _find(session: Session, tenant_id: str) -> StoredLimit | None:
    await TENANTS.get(session, tenant_id)
    found = await session.ports.limits.page(MAX_BUDGETS, None, tenant_id, name=NAME)
    return next((each for each in found if _is_spend_limit(each)), None)


async def _existing(session: Session, tenant_id: str) -> StoredLimit:
    found = await _find(session, tenant_id)
    if found is None:
        raise Refused(NONE)
    return found


def _is_spend_limit(limit: StoredLimit) -> bool:
    return (limit.scope, limit.unit, limit.calendar) == (Scope.TENANT, Unit.COST, Calendar.MONTH)
