"""The budgets that exist: the limits of tenants as rules, each with the tenants whose rows it counts.  Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from ratelimit.budgets.rule import BUCKET, Rule
from ratelimit.tenants.account import rule_of
from tenancy.directory.census import DatedLimit, TenantLimits
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.limit import Limit, Scope

Subjects = Callable[[Scope, str, Rule], Iterable[str]]
"""The keys or users of a tenant that used something in the windows of a rule."""


class Account(NamedTuple):
    """One budget: the tenants whose rows it counts (several share a group's), its limit with the subject, its rule, and
    since when it counts."""

    tenants: tuple[str, ...]
    limit: Limit
    rule: Rule
    since: datetime


class Terms(NamedTuple):
    """What rules depend on beside limits: Redis's time; whether a group's tenants share one budget; whether refilling
    buckets count too, which are compared only when they are lost."""

    now_ms: int
    shared_groups: bool
    buckets: bool


def rules_of(tenants: Sequence[TenantLimits], terms: Terms) -> Iterator[tuple[TenantLimits, DatedLimit, Rule]]:
    """The rules of all limits; that of a limit for each key or user has no subject.  A limit in an unknown time zone is
    left out, because its requests are refused."""
    for tenant in tenants:
        for dated in tenant.limits:
            try:
                rule = rule_of(tenant.tenant_id, dated.limit, terms.now_ms, groups=terms.shared_groups)
            except UnknownTimeZone:
                continue
            if terms.buckets or rule.shape[0] != BUCKET:
                yield tenant, dated, rule


def accounts_of(
    rules: Iterable[tuple[TenantLimits, DatedLimit, Rule]],
    members: Mapping[str, Sequence[str]],
    subjects: Subjects,
    terms: Terms,
) -> dict[str, Account]:
    """By the name of the budget in Redis.  `members`: the tenants of each group."""
    found: dict[str, Account] = {}
    for tenant, (limit, since), rule in rules:
        tenants: tuple[str, ...] = (tenant.tenant_id,)
        if limit.scope is Scope.GROUP and terms.shared_groups:
            tenants = tuple(members[limit.subject])
        named = [limit]
        if limit.scope in (Scope.KEY, Scope.USER) and not limit.subject:
            named = [replace(limit, subject=each) for each in subjects(limit.scope, tenant.tenant_id, rule)]
        for each in named:
            own = rule_of(tenant.tenant_id, each, terms.now_ms, groups=terms.shared_groups)
            found.setdefault(own.key, Account(tenants, each, own, since))
    return found
