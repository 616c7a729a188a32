"""Jobs that the store forgot when it lost everything: held again, from the ledger's rows of the requests that began
them.

Their reservations are charged again by then, because the budgets were restored from the same rows.  So what a job turns
out to have used is charged or refunded as if nothing had been lost.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ledger.requests import OpenJobs
from ledger.row import UsageRow
from ratelimit.budgets.rule import Rule
from ratelimit.tenants.account import Account
from tenancy.directory.stored_limits import LimitsInForce
from tenancy.directory.tenants import NoSuchTenant
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.lease_id import lease_ms
from tenancy.values.policy import Policy
from tenancy.values.prices import Prices

PAGE = 500

HoldAgain = Callable[[UsageRow, tuple[Rule, ...]], bool]
"""False: there is no room now."""


class LostJobs:
    """`groups`: whether a group's tenants share one budget.  `remembered`: for how long a job may be read.

    Raises what its ports raise: LedgerUnavailable, store.postgres.UNAVAILABLE."""

    def __init__(
        self,
        ledger: OpenJobs,
        limits: LimitsInForce,
        prices: Callable[[str], Prices | None],
        hold_again: HoldAgain,
        remembered: timedelta,
        *,
        groups: bool,
    ) -> None:
        self._ledger, self._limits, self._prices = ledger, limits, prices
        self._hold_again, self._remembered, self._groups = hold_again, remembered, groups
        self._lost_ms, self._held = 0, set[str]()

    async def hold(self, lost_ms: int) -> int:
        """Holds the jobs that began before the store was lost, each once after a loss.  Returns how many are on their
        way."""
        if lost_ms != self._lost_ms:
            self._lost_ms, self._held = lost_ms, set()
        before, after, count = datetime.fromtimestamp(lost_ms / 1000, UTC), "", 0
        while rows := await self._ledger.open_jobs(before - self._remembered, before, after, PAGE):
            after = rows[-1].id
            for row in rows:
                if row.id in self._held:
                    continue
                if not self._hold_again(row, await self._rules(row)):
                    return count
                self._held.add(row.id)
                count += 1
        return count

    async def _rules(self, row: UsageRow) -> tuple[Rule, ...]:
        """The rules that the row counts against, by the present limits."""
        try:
            found = await self._limits.of_tenant(row.tenant_id, row.key_id, row.user_id)
            policy = Policy(row.tenant_id, row.key_id, row.user_id, found.fairshare_group, limits=found.limits)
            prices = self._prices(row.model)
            return Account.of(policy, lease_ms(row.id), row.model, prices, groups=self._groups).rule_set.rules
        except (NoSuchTenant, UnknownTimeZone):
            return ()
