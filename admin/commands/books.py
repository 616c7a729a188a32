"""Budgets beside the ledger: what they count too little or too much, and charging what is missing."""

import asyncio
from dataclasses import dataclass
from typing import Any

from admin.access.permission import ResourceKind
from admin.commands.directory import TENANTS
from admin.commands.rules import amount_of
from admin.commands.session import Session, command, query
from reconcile.books import Drift
from tenancy.directory.tenants import NoSuchTenant
from tenancy.values.limit import Scope

# A row can be in the ledger just before its request is settled; what stays missing is really missing.
AGAIN_SECONDS = 0.3
SHOWN_IN_AUDIT = 1000
OF_LIMIT = ("scope", "subject", "unit", "kind")


@dataclass(frozen=True, slots=True)
class Audited:
    """How many budgets were compared, and those that are off, the worst first."""

    audited: int
    drifting: list[Drift]


def fields_of(drift: Drift) -> dict[str, Any]:
    """By name, ready for JSON, and as people write them."""
    limit, tenants = drift.account.limit, drift.account.tenants
    amounts = {"amount": limit.amount, "counted": drift.counted, "spent": drift.spent}
    amounts |= {"missing": drift.missing, "beyond": drift.beyond}
    return {
        "tenant_id": None if limit.scope is Scope.GROUP else tenants[0],
        "budget": limit.budget_name,
        "limit": limit.name,
        **{name: getattr(limit, name) for name in OF_LIMIT},
        **{name: amount_of(limit.unit, units) for name, units in amounts.items()},
    }


@query(ResourceKind.BUDGET)
async def audit(session: Session, tenant_id: str | None = None) -> Audited:
    """Audits all tenants, or one: then without its group's budgets."""
    drifts = await _drifts(session, tenant_id)
    return Audited(len(drifts), [drift for drift in drifts if drift.missing or drift.beyond])


@command(ResourceKind.BUDGET)
async def mend(session: Session, tenant_id: str | None = None) -> list[Drift]:
    """Charges what is missing now and still a moment later; returns what was charged.  Nothing is ever given back."""
    found = [drift for drift in await _drifts(session, tenant_id) if drift.missing]
    if not found:
        return []
    await asyncio.sleep(AGAIN_SECONDS)
    missing = {drift.account.rule.key: drift.missing for drift in found[:SHOWN_IN_AUDIT]}
    target = ("tenant", tenant_id) if tenant_id else ("budgets", "*")
    async with session.ports.audited(session.by, "mend_budgets", target, {"missing": missing}, None) as answered:
        mended = await session.ports.books.mend(found, tenant_id)
        await answered({"budgets": [fields_of(drift) for drift in mended]})
    return mended


async def _drifts(session: Session, tenant_id: str | None) -> list[Drift]:
    if tenant_id is not None and await session.ports.tenants.get(TENANTS.id(tenant_id)) is None:
        raise NoSuchTenant(tenant_id)
    return await session.ports.books.audit(tenant_id)
