"""What the ledger has for tenants, keys, users and models in the windows that budgets count: read once for all of them,
and once more for each budget that counts another period."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from ledger.sums import FIGURES, Figures, Interval, Line, Selection, Sums
from reconcile.accounts import Account
from reconcile.expected import after_changes, cut, units_of
from tenancy.directory.census import BudgetChange
from tenancy.values.limit import Scope

LINES = 10_000  # asked for at once
NOTHING = Figures()
# How lines are grouped, and what each is a sum of: scope and the place of its subject in the group.
MEMBERS = ("tenant_id", "key_id", "user_id")
MODELS = ("tenant_id", "model")
COLUMN = {Scope.KEY: "key_id", Scope.USER: "user_id", Scope.MODEL: "model"}
Place = tuple[Scope, str, str]  # scope, tenant, subject


class Usage:
    """The usage of one tenant, or of all.  Raises what Sums raises."""

    def __init__(self, sums: Sums, tenant_id: str | None, intervals: Sequence[Interval]) -> None:
        self._sums, self._tenant_id, self._intervals = sums, tenant_id, intervals
        self._figures: dict[Interval, dict[Place, Figures]] = {interval: {} for interval in intervals}

    async def load(self, *, models: bool) -> None:
        async for line in self._lines(MEMBERS):
            tenant, key, user = line.group
            self._add(line, (Scope.TENANT, tenant, ""), (Scope.KEY, tenant, key), (Scope.USER, tenant, user))
        if models:
            async for line in self._lines(MODELS):
                self._add(line, (Scope.MODEL, *line.group))  # type: ignore[arg-type] # two texts

    def subjects(self, scope: Scope, tenant_id: str, intervals: Iterable[Interval]) -> set[str]:
        """The tenant's keys or users with any usage."""
        places = {place for interval in intervals for place in self._figures[interval]}
        return {subject for found, tenant, subject in places if (found, tenant) == (scope, tenant_id) and subject}

    async def spent(self, account: Account, interval: Interval, changes: Sequence[BudgetChange]) -> int:
        """What the account's limit counts, with what operators gave back."""
        pieces, given = cut(interval, account.since, changes)
        if pieces == [interval]:
            return units_of(account.limit, self._known(account, interval))
        return after_changes([units_of(account.limit, await self._asked(account, each)) for each in pieces], given)

    def _known(self, account: Account, interval: Interval) -> Figures:
        limit, figures = account.limit, self._figures[interval]
        scope, subject = (Scope.TENANT, "") if limit.scope is Scope.GROUP else (limit.scope, limit.subject)
        return total(figures.get((scope, tenant, subject), NOTHING) for tenant in account.tenants)

    async def _asked(self, account: Account, interval: Interval) -> Figures:
        column = COLUMN.get(account.limit.scope)
        only: dict[str, Any] = {column: account.limit.subject} if column else {}
        found = [
            line.figures
            for tenant in account.tenants
            for line in await self._sums.sums(Selection(tenant_id=tenant, **only), [interval])
        ]
        return total(found)

    async def _lines(self, group_by: Sequence[str]) -> AsyncIterator[Line]:
        after = None
        while True:
            found = await self._sums.sums(Selection(self._tenant_id), self._intervals, group_by, LINES, after)
            for line in found:
                yield line
            if len(found) < LINES:
                return
            after = (found[-1].slot, found[-1].group)

    def _add(self, line: Line, *places: Place) -> None:
        figures = self._figures[self._intervals[line.slot]]
        for place in places:
            figures[place] = total((figures[place], line.figures)) if place in figures else line.figures


def total(figures: Iterable[Figures]) -> Figures:
    values = [[getattr(each, name) for name in FIGURES] for each in figures]
    return Figures(*(sum(column, start=0 * column[0]) for column in zip(*values, strict=True))) if values else NOTHING
