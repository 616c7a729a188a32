"""Limits: what making, changing and deleting one means."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from admin.access.permission import ResourceKind
from admin.commands.directory import LIMITS, TENANTS
from admin.commands.refusals import STORES_AWAY, invalid
from admin.commands.rules import Rule, in_units
from admin.commands.session import Done, Session, command, query
from tenancy.directory.stored_limits import LimitChange, NewLimit, StoredLimit
from tenancy.directory.tenants import Position
from tenancy.values.limit import Scope, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequest(Rule):
    """A limit to be made: of a tenant (of its keys, users or models), or of a fairshare group.  Scope `key` or `user`
    without an id: each of them."""

    name: str | None = None
    tenant_id: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    fairshare_group: str | None = None

    def limit(self) -> NewLimit:
        subjects = {name: getattr(self, name) for name in SUBJECTS}
        for name, given in subjects.items():
            if given is not None and name not in OF_SCOPE[self.scope]:
                raise invalid((name, f"not with scope {self.scope}"))
            if given is None and name in OF_SCOPE[self.scope] and name not in OPTIONAL:
                raise invalid((name, f"required with scope {self.scope}"))
        return NewLimit(**self.stored(), **subjects, name=self.name or "")


# What names whose requests are counted, by scope.
OF_SCOPE: Mapping[Scope, tuple[str, ...]] = {
    Scope.TENANT: ("tenant_id",),
    Scope.USER: ("tenant_id", "user_id"),
    Scope.KEY: ("tenant_id", "key_id"),
    Scope.MODEL: ("tenant_id", "model"),
    Scope.GROUP: ("fairshare_group",),
}
SUBJECTS = ("tenant_id", "key_id", "user_id", "model", "fairshare_group")
OPTIONAL = ("key_id", "user_id")  # without one the limit holds for each
NO_PRICES = "no registered model has prices, so that nothing counts against a limit of cost"


@query(ResourceKind.LIMIT)
async def page_of_tenant(
    session: Session, tenant_id: str, limit: int, after: Position | None = None
) -> tuple[StoredLimit, ...]:
    """At most `limit` of a tenant's limits, oldest first, after the position."""
    await TENANTS.get(session, tenant_id)
    return await session.ports.limits.page(limit, after, tenant_id)


async def create(session: Session, asked: LimitRequest) -> Done[StoredLimit]:
    done = await _create(session, asked)
    return replace(done, notice=await notice_on_money(session, [asked]))


async def notice_on_money(session: Session, rules: Iterable[Rule]) -> str:
    """What to say of limits of money that have nothing to count; "" if there is nothing to say."""
    if all(rule.unit is not Unit.COST for rule in rules):
        return ""
    with suppress(*STORES_AWAY):
        if not await session.ports.price_history.any_in_force():
            return NO_PRICES
    return ""


@command(ResourceKind.LIMIT)
async def _create(session: Session, asked: LimitRequest) -> StoredLimit:
    new = asked.limit()
    if new.scope is Scope.GROUP and not session.ports.control.spans_owners:
        raise invalid(("scope", "the tenants of a group cannot share a budget on a Redis Cluster"))
    return await session.ports.limits.create(new, session.by)


@command(ResourceKind.LIMIT)
async def update(session: Session, limit_id: str, change: Mapping[str, Any]) -> StoredLimit:
    """`change` has any of the fields of Rule, but for scope and unit, and `name`.  What is absent stays."""
    unit = (await LIMITS.get(session, limit_id)).unit if "amount" in change else Unit.TOKENS
    stored = cast(LimitChange, {**change, **in_units(unit, change)})
    return await session.ports.limits.update(LIMITS.id(limit_id), stored, session.by)
