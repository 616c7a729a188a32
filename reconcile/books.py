"""The comparison: every budget that has a window beside what the ledger says was spent in it.

The ledger is asked first and the budgets after it.  So what a budget counts too little is really missing, and what it
counts too much may be a request in flight, or a row on its way.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledger.sums import Interval, Sums
from ratelimit.budgets.restoring_redis import Found, Spent
from reconcile.accounts import Account, Terms, accounts_of, rules_of
from reconcile.expected import intervals_of
from reconcile.metrics import NONE, TENTH
from reconcile.usage import Usage
from tenancy.directory.census import BudgetChange, Census
from tenancy.values.limit import Scope

HOUR_MS = 3_600_000


class Restoring(Protocol):
    """Live budgets, as far as they are compared; see ratelimit.budgets.restoring_redis."""

    @property
    def spans_owners(self) -> bool: ...
    async def now_ms(self) -> int: ...
    async def look(self, spent: Sequence[Spent], now_ms: int) -> list[Found]: ...
    async def raise_to(self, spent: Sequence[Spent], now_ms: int) -> list[Found]: ...


@dataclass(frozen=True, slots=True)
class Drift:
    """A budget beside the ledger.  `counted`: what it counts as spent in its window, `spent`: what the ledger has;
    `before` and `spent_before` are those of the window before, of a sliding one."""

    account: Account
    counted: int
    spent: int
    before: int = 0
    spent_before: int = 0

    @property
    def missing(self) -> int:
        """What the budget fails to count."""
        return max(0, self.spent - self.counted) + max(0, self.spent_before - self.before)

    @property
    def beyond(self) -> int:
        """What the budget counts beyond the ledger: in flight, on its way into the ledger, or not accounted for."""
        return max(0, self.counted - self.spent)


@dataclass(frozen=True, slots=True)
class Page:
    """What the ledger has of each account, and Redis's time before it was asked."""

    now_ms: int
    accounts: Sequence[Account]
    spent: Sequence[Spent]

    def drifts(self, found: Sequence[Found]) -> list[Drift]:
        return [
            Drift(account, seen.spent, each.spent, seen.before, each.before)
            for account, each, seen in zip(self.accounts, self.spent, found, strict=True)
        ]


class Books:
    """Raises what the ports raise: BudgetsUnavailable, LedgerUnavailable, NotSummedYet, store.postgres.UNAVAILABLE."""

    def __init__(self, census: Census, sums: Sums, budgets: Restoring) -> None:
        self._census, self._sums, self._budgets = census, sums, budgets

    async def audit(self, tenant_id: str | None = None) -> list[Drift]:
        """Of every budget with a window, or of one tenant's own; those that miss most come first."""
        page = await self._read(tenant_id)
        drifts = page.drifts(await self._budgets.look(page.spent, page.now_ms))
        return sorted(drifts, key=lambda drift: (-drift.missing, -drift.beyond, drift.account.rule.key))

    async def raise_all(self) -> int:
        """Charges what the ledger has to a store that has lost its budgets, refilling buckets too.  Returns how many
        were charged."""
        page = await self._read(None, buckets=True)
        return sum(each.raised for each in await self._budgets.raise_to(page.spent, page.now_ms))

    async def mend(self, before: Iterable[Drift], tenant_id: str | None = None) -> list[Drift]:
        """Charges what was missing in an audit a moment ago and still is; those that were charged, as they were.

        Twice, because a row can be in the ledger just before its request is settled.  What was given back since that
        audit stays given back."""
        least = {drift.account.rule.key: drift.counted for drift in before if drift.missing}
        if not least:
            return []
        page = await self._read(tenant_id)
        still = [n for n, each in enumerate(page.spent) if each.rule.key in least]
        spent = [page.spent[n]._replace(least=least[page.spent[n].rule.key]) for n in still]
        page = Page(page.now_ms, [page.accounts[n] for n in still], spent)
        found = await self._budgets.raise_to(page.spent, page.now_ms)
        return [drift for drift, each in zip(page.drifts(found), found, strict=True) if each.raised]

    async def _read(self, tenant_id: str | None, *, buckets: bool = False) -> Page:
        terms = Terms(await self._budgets.now_ms(), self._budgets.spans_owners, buckets)
        tenants, members = await self._census.limits(tenant_id), defaultdict[str, list[str]](list)
        for tenant in tenants:
            members[tenant.fairshare_group].append(tenant.tenant_id)
        # A group's budget belongs to several tenants.
        rules = [
            each for each in rules_of(tenants, terms) if tenant_id is None or each[1].limit.scope is not Scope.GROUP
        ]
        intervals = sorted({each for _, _, rule in rules for each in intervals_of(rule, terms.now_ms)})
        if not intervals:
            return Page(terms.now_ms, [], [])
        usage = Usage(self._sums, tenant_id, intervals)
        await usage.load(models=any(dated.limit.scope is Scope.MODEL for _, dated, _ in rules))
        found = accounts_of(
            rules,
            members,
            lambda scope, tenant, rule: usage.subjects(scope, tenant, intervals_of(rule, terms.now_ms)),
            terms,
        )
        changes = await self._changes(intervals[0][0])
        spent = [await _spent(account, usage, changes[account.limit.budget_name], terms) for account in found.values()]
        return Page(terms.now_ms, [*found.values()], spent)

    async def _changes(self, since: datetime) -> defaultdict[str, list[BudgetChange]]:
        """By the budget's name, which several tenants may have."""
        found = defaultdict[str, list[BudgetChange]](list)
        for change in await self._census.changes(since):
            found[change.budget].append(change)
        return found


async def _spent(account: Account, usage: Usage, changes: Sequence[BudgetChange], terms: Terms) -> Spent:
    own = [change for change in changes if change.tenant_id in account.tenants]
    window, *earlier = intervals_of(account.rule, terms.now_ms)
    spent = await usage.spent(account, window, own)
    if not earlier or any(change.given_back is None and _within(window, change) for change in own):
        return Spent(account.rule, spent)  # a reset forgets the window before, too
    return Spent(account.rule, spent, await usage.spent(account, earlier[0], own))


def _within(interval: Interval, change: BudgetChange) -> bool:
    return interval[0] <= change.at < interval[1]


def tenants_low(audited: Iterable[Drift]) -> dict[str, float]:
    """The number of tenants with a nearly used-up budget, of a window of at least an hour.  Shadows are not audited."""
    low: dict[str, set[str]] = {TENTH: set(), NONE: set()}
    for each in audited:
        rule = each.account.rule
        if rule.window_ms < HOUR_MS:
            continue
        if each.counted * 10 >= rule.capacity * 9:
            low[NONE if each.counted >= rule.capacity else TENTH].update(each.account.tenants)
    return {TENTH: float(len(low[TENTH] - low[NONE])), NONE: float(len(low[NONE]))}
