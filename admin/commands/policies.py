"""Named policies: the limits that hold for every tenant that refers to one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from admin.access.permission import ResourceKind
from admin.commands.directory import POLICIES
from admin.commands.limits import notice_on_money
from admin.commands.refusals import Refused, invalid, named
from admin.commands.rules import Rule, amount_of, weight_of
from admin.commands.session import Done, Session, command
from tenancy.directory.named_policies import LimitFields, NamedPolicy
from tenancy.directory.stored_limits import wrong_with
from tenancy.values.limit import Limit, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLimitRequest(Rule):
    """One limit of a policy; it holds for each tenant that refers to the policy, or each of its keys or users."""

    name: str
    model: str | None = None

    def limit(self) -> LimitFields:
        if self.scope is Scope.GROUP:
            raise invalid(("scope", "a policy has no limits of groups"))
        if (self.model is not None) != (self.scope is Scope.MODEL):
            raise invalid(("model", "required with scope model, and only then"))
        fields = {"name": self.name, "subject": self.model or "", **self.stored()}
        if wrong := wrong_with(fields):
            raise invalid(named("", wrong))
        return fields


async def create(
    session: Session, name: str, description: str, limits: Sequence[PolicyLimitRequest]
) -> Done[NamedPolicy]:
    done = await _create(session, name, description, limits)
    return replace(done, notice=await notice_on_money(session, limits))


async def update(
    session: Session, name: str, description: str, limits: Sequence[PolicyLimitRequest]
) -> Done[NamedPolicy]:
    """Replaces description and limits.  A limit that keeps its name keeps what is spent of it."""
    done = await _update(session, name, description, limits)
    return replace(done, notice=await notice_on_money(session, limits))


@command(ResourceKind.POLICY)
async def _create(session: Session, name: str, description: str, limits: Iterable[PolicyLimitRequest]) -> NamedPolicy:
    return await session.ports.policies.create(name, description, _of_policy(limits), session.by)


@command(ResourceKind.POLICY)
async def _update(session: Session, name: str, description: str, limits: Iterable[PolicyLimitRequest]) -> NamedPolicy:
    return await session.ports.policies.update(POLICIES.id(name), description, _of_policy(limits), session.by)


def _of_policy(limits: Iterable[PolicyLimitRequest]) -> tuple[LimitFields, ...]:
    stored: list[LimitFields] = []
    wrong: list[tuple[str, str]] = []
    for number, limit in enumerate(limits):
        try:
            stored.append(limit.limit())
        except Refused as refused:
            wrong += [(f"limits.{number}.{name}", detail) for name, detail in refused.refusal.fields]
    if not wrong and len({limit["name"] for limit in stored}) < len(stored):
        wrong.append(("limits", "two limits have the same name"))
    if wrong:
        raise invalid(*wrong)
    return tuple(stored)


def limits_of(policy: NamedPolicy) -> list[PolicyLimitRequest]:
    """The limits as they may be asked for again."""
    return [_asked(Limit.of_fields(each)) for each in policy.limits]


def _asked(limit: Limit) -> PolicyLimitRequest:
    window = {"calendar": limit.calendar} if limit.calendar else {"window_seconds": limit.window_seconds}
    return PolicyLimitRequest(
        name=limit.name,
        scope=limit.scope,
        model=limit.subject or None,
        unit=limit.unit,
        amount=Decimal(amount_of(limit.unit, limit.amount)),
        kind=limit.kind,
        time_zone=limit.time_zone,
        cached_weight=weight_of(limit.cached_weight),
        reasoning_weight=weight_of(limit.reasoning_weight),
        shadow=limit.shadow,
        **window,
    )
