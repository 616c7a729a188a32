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
from typing import Any

from admin.access.permission import ResourceKind
from admin.commands.directory import ID, TENANTS
from admin.commands.refusals import MAX_SHOWN, invalid
from admin.commands.rules import amount_of, units
from admin.commands.session import Session, command, query
from ratelimit.budgets.control_redis import Held
from ratelimit.budgets.rule import Rule
from ratelimit.tenants.account import rule_of
from tenancy.directory.change_request import name_of
from tenancy.directory.stored_limits import InForce
from tenancy.values.limit import Limit, Scope

Counted = tuple[Limit, Rule]  # a limit, and where its live state is
Place = tuple[int, str]
SCOPES = [*Scope]
MOST_OF_EACH = 64  # budgets of a tenant, when several tenants are read
OF_LIMIT = ("scope", "subject", "unit", "kind", "window_seconds", "calendar", "time_zone", "shadow")


@dataclass(frozen=True, slots=True)
class Whose:
    """A tenant.  Budgets for each key or user are included only for the given ids."""

    tenant_id: str
    key_id: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The live state of one limit, in the units in which limits are stored."""

    limit: Limit
    held: Held

    @property
    def used(self) -> int:
        """May exceed the amount: a request is charged what it used beyond what was reserved for it."""
        return self.limit.amount - self.held.held

    @property
    def remaining(self) -> int:
        return max(0, self.held.held)

    def fields(self) -> dict[str, Any]:
        """By name, ready for JSON, and as people write them."""
        limit, reset_at = self.limit, datetime.fromtimestamp(self.held.full_at_ms / 1000, UTC)
        return {
            "budget": limit.budget_name,
            "limit": limit.name,
            "limit_id": limit.id or None,
            **{name: getattr(limit, name) for name in OF_LIMIT},
            "amount": amount_of(limit.unit, limit.amount),
            "used": amount_of(limit.unit, self.used),
            "remaining": amount_of(limit.unit, self.remaining),
            "reset_at": f"{reset_at:%Y-%m-%dT%H:%M:%SZ}",
            "would_have_refused": self.held.missed,
        }


def place_of(limit: Limit) -> Place:
    """Its sort key: scope (tenant, user, key, model, group), then name."""
    return SCOPES.index(limit.scope), limit.budget_name


@query(ResourceKind.BUDGET)
async def page(session: Session, whose: Whose, limit: int, after: Place | None = None) -> list[Budget]:
    """At most `limit` budgets after the place.  Changes nothing."""
    counted = sorted(await _counted(session, whose), key=_place)
    return await _look(session, [each for each in counted if after is None or _place(each) > after][:limit])


@command(ResourceKind.BUDGET)
async def reset(session: Session, whose: Whose, name: str | None) -> list[Budget]:
    """Fills one budget up, or every budget of the tenant but its group's.  Requests in flight are charged what they use
    beyond what was reserved for them."""
    counted = await _counted(session, whose)
    own = [each for each in counted if each[0].scope is not Scope.GROUP]
    chosen = own if name is None else [_named(counted, name)]
    spent = {budget.limit.budget_name: budget.used for budget in await _look(session, chosen)}
    change = ({"used": spent}, {"used": dict.fromkeys(spent, 0)})
    async with session.ports.audited(session.by, "reset_budget", ("tenant", whose.tenant_id), *change) as answered:
        held = await session.ports.control.reset([rule for _, rule in chosen], name_of(session.by))
        found = [Budget(limit, each) for (limit, _), each in zip(chosen, held, strict=True)]
        await answered({"budgets": [budget.fields() for budget in found], "next_cursor": None})
    return found


@command(ResourceKind.BUDGET)
async def adjust(session: Session, whose: Whose, name: str, amount: Decimal) -> Budget:
    """Gives back (never more than was used) or, below zero, charges."""
    limit, rule = chosen = _named(await _counted(session, whose), name)
    given = units(limit.unit, amount)
    (before,) = await _look(session, [chosen])
    change = ({"budget": name, "used": before.used}, {"budget": name, "given_back": given})
    async with session.ports.audited(session.by, "adjust_budget", ("tenant", whose.tenant_id), *change) as answered:
        found = Budget(limit, await session.ports.control.adjust(rule, given, name_of(session.by)))
        await answered(found.fields())
    return found


async def all_of(session: Session, tenant_id: str) -> list[Budget]:
    """All but those of each key or user, for a query; NoSuchTenant."""
    return await _look(session, await _counted(session, Whose(tenant_id)))


async def of_tenants(session: Session, tenant_ids: Sequence[str]) -> dict[str, list[Budget]]:
    """The first MOST_OF_EACH of each tenant, by its id, for a query: all but those of each key or user.  Tenants that
    were deleted are missing."""
    ids = [each for each in tenant_ids if ID.fullmatch(each)]
    force = await session.ports.limits_in_force.of_tenants(ids)
    counted = {id: sorted(_rules(session, each), key=_place)[:MOST_OF_EACH] for id, each in force.items()}
    held = iter(await session.ports.control.peek_all([rule for each in counted.values() for _, rule in each]))
    return {id: [Budget(limit, next(held)) for limit, _ in each] for id, each in counted.items()}


async def _counted(session: Session, whose: Whose) -> list[Counted]:
    tenant_id = TENANTS.id(whose.tenant_id)
    return _rules(session, await session.ports.limits_in_force.of_tenant(tenant_id, whose.key_id, whose.user_id))


def _rules(session: Session, force: InForce) -> list[Counted]:
    now_ms, groups = time.time_ns() // 1_000_000, session.ports.control.spans_owners
    return [(limit, rule_of(force.tenant_id, limit, now_ms, groups=groups)) for limit in force.limits]


def _place(of: Counted) -> Place:
    return place_of(of[0])


async def _look(session: Session, counted: Sequence[Counted]) -> list[Budget]:
    held = await session.ports.control.peek_all([rule for _, rule in counted])
    return [Budget(limit, each) for (limit, _), each in zip(counted, held, strict=True)]


def _named(counted: Sequence[Counted], name: str) -> Counted:
    found = next((each for each in counted if each[0].budget_name == name), None)
    if found is None:
        wrong = f"the tenant has no budget {name[:MAX_SHOWN]!r}; is it one that holds for each key or each user?"
        raise invalid(("budget", wrong))
    return found
