"""Budgets: what is spent and what is left of a tenant's limits now; reset and adjust.

Redis has the budgets.  A change is one transaction with its audit entry, with Redis asked before the commit: if either
store is away, nothing is claimed to have happened.  It may have: Redis remembers a change that has an Idempotency-Key,
so that it is made once although its first caller was told of a failure.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from admin.access.permission import ResourceKind
from admin.commands.directory import TENANTS
from admin.commands.refusals import MAX_SHOWN, invalid
from admin.commands.rules import units
from admin.commands.session import Session, command, query
from admin.commands.sharing import part
from ratelimit.budgets.meter import Meter
from ratelimit.budgets.peek import Held
from ratelimit.tenants.account import meter_of
from tenancy.directory.audit import snapshot
from tenancy.directory.terms import name_of
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Limit, Scope, Unit

Place = tuple[int, str]
SCOPES = [*Scope]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The live state of one limit, in the units in which limits are stored.  `used` may exceed the amount, and then
    nothing remains: a request is charged what it used beyond what was reserved for it."""

    budget: str
    limit: str
    limit_id: str | None
    scope: Scope
    subject: str
    unit: Unit
    kind: Kind
    window_seconds: int
    calendar: Calendar | None
    time_zone: str
    amount: int
    used: int
    remaining: int
    reset_at: datetime
    shadow: bool
    would_have_refused: int

    @property
    def order(self) -> int:
        """Its place in lists: by scope (tenant, user, key, model, group), then by name."""
        return SCOPES.index(self.scope)

    @property
    def fill(self) -> float:
        """The part of it that is left, 0 to 1."""
        return part(self.remaining, self.amount)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit of a tenant, and where its live state is."""

    limit: Limit
    meter: Meter

    @property
    def place(self) -> Place:
        return SCOPES.index(self.limit.scope), self.limit.budget_name

    def state(self, held: Held) -> BudgetState:
        limit = self.limit
        return BudgetState(
            budget=limit.budget_name,
            limit=limit.name,
            limit_id=limit.id or None,
            **{name: getattr(limit, name) for name in OF_LIMIT},
            amount=limit.amount,
            used=limit.amount - held.held,
            remaining=max(0, held.held),
            reset_at=datetime.fromtimestamp(held.full_at_ms / 1000, UTC),
            would_have_refused=held.missed,
        )


OF_LIMIT = ("scope", "subject", "unit", "kind", "window_seconds", "calendar", "time_zone", "shadow")


@dataclass(frozen=True, slots=True)
class Whose:
    """A tenant; what holds for each of its keys or users is meant only with the id of one."""

    tenant_id: str
    key_id: str | None = None
    user_id: str | None = None


@query(ResourceKind.BUDGET)
async def page(at: Session, whose: Whose, limit: int, after: Place | None = None) -> list[BudgetState]:
    """At most `limit` budgets after the place.  Changes nothing."""
    budgets = sorted(await _budgets(at, whose), key=lambda budget: budget.place)
    return await _states(at, [budget for budget in budgets if after is None or budget.place > after][:limit])


@command(ResourceKind.BUDGET)
async def reset(at: Session, whose: Whose, name: str | None) -> list[BudgetState]:
    """Fills one budget up, or every budget of the tenant but its group's.  Requests in flight are charged what they use
    beyond what was reserved for them."""
    budgets = await _budgets(at, whose)
    if name is None:
        chosen = [budget for budget in budgets if budget.limit.scope is not Scope.GROUP]
    else:
        chosen = [_named(budgets, name)]
    meters = [budget.meter for budget in chosen]
    spent = {state.budget: state.used for state in await _states(at, chosen)}
    empty = dict.fromkeys(spent, 0)
    target = ("tenant", whose.tenant_id)
    async with at.ports.audited(at.by, "reset_budget", target, {"used": spent}, {"used": empty}) as answered:
        held = await at.ports.control.reset(meters, name_of(at.by))
        found = [budget.state(each) for budget, each in zip(chosen, held, strict=True)]
        await answered({"budgets": [snapshot(state) for state in found], "next_cursor": None})
    return found


@command(ResourceKind.BUDGET)
async def adjust(at: Session, whose: Whose, name: str, amount: Decimal) -> BudgetState:
    """Gives back (never more than was used) or, below zero, charges."""
    budget = _named(await _budgets(at, whose), name)
    given = units(budget.limit.unit, amount)
    (before,) = await _states(at, [budget])
    target = ("tenant", whose.tenant_id)
    known, change = {"budget": name, "used": before.used}, {"budget": name, "given_back": given}
    async with at.ports.audited(at.by, "adjust_budget", target, known, change) as answered:
        found = budget.state(await at.ports.control.adjust(budget.meter, given, name_of(at.by)))
        await answered(snapshot(found))
    return found


async def states_of(at: Session, tenant_id: str) -> list[BudgetState]:
    """All but those of each key or user, for a query; NoSuchTenant."""
    return await _states(at, await _budgets(at, Whose(tenant_id)))


async def _budgets(at: Session, whose: Whose) -> list[Budget]:
    tenant_id, now_ms = TENANTS.id(whose.tenant_id), time.time_ns() // 1_000_000
    force = await at.ports.limits_in_force.of_tenant(tenant_id, whose.key_id, whose.user_id)
    groups = at.ports.control.shares_groups
    return [Budget(limit, meter_of(tenant_id, limit, now_ms, groups=groups)) for limit in force.limits]


async def _states(at: Session, budgets: Sequence[Budget]) -> list[BudgetState]:
    held = await at.ports.control.peek([budget.meter for budget in budgets])
    return [budget.state(each) for budget, each in zip(budgets, held, strict=True)]


def _named(budgets: Sequence[Budget], name: str) -> Budget:
    found = next((budget for budget in budgets if budget.limit.budget_name == name), None)
    if found is None:
        wrong = f"the tenant has no budget {name[:MAX_SHOWN]!r}; is it one that holds for each key or each user?"
        raise invalid(("budget", wrong))
    return found
