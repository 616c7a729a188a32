"""Leases that no log entry ever settled: they stay charged as reserved, and the ledger says so.

The budgets return each lease until they are told that its row is safe, so that none is lost with a reply, or with the
process that had it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from accesslog.metrics import AccessLogMetrics
from accesslog.row import row_of_orphan
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, LeaseName
from tenancy.values.lease_id import is_lease_id

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
BATCH = 500
MOST_GIVEN = 100_000  # rows on their way


class Sweep:
    """`offer` takes a row, or returns False when it has no room; `stored` is to be told when it is safe.  `ready`:
    whether all that the file log held at the start has been taken; until then a lease may look orphaned only because we
    were away."""

    def __init__(
        self,
        budgets: Budgets,
        offer: Callable[[UsageRow], bool],
        ready: Callable[[], bool],
        metrics: AccessLogMetrics,
        interval_seconds: float,
    ) -> None:
        self._budgets, self._offer, self._ready, self._metrics = budgets, offer, ready, metrics
        self._interval_seconds = interval_seconds
        self._finished = asyncio.Event()
        self._given: dict[str, str] = {}  # owner by lease id, of rows on their way
        self._safe: list[LeaseName] = []

    def stored(self, rows: Sequence[UsageRow]) -> None:
        """These rows are in the ledger, or on disk.  On the loop."""
        for row in rows:
            if row.usage_source == UsageSource.RESERVED and (owner := self._given.pop(row.id, None)) is not None:
                self._safe.append(LeaseName(owner, row.id))

    async def run(self) -> None:
        """Until `finish`."""
        while not await self._finished_within(self._interval_seconds):
            try:
                await self._account()
                while self._ready() and await self._sweep() == BATCH:
                    pass
            except BudgetsUnavailable:
                self._metrics.settle_errors.add()
            except Exception as error:
                self._metrics.failures.add()
                log.error("orphaned leases could not be swept", exc_info=error)

    def finish(self) -> None:
        """Ends `run` once the leases in hand have their rows; cancelled, it would lose them.  On the loop."""
        self._finished.set()

    async def _finished_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._finished.wait()
        return self._finished.is_set()

    async def _sweep(self) -> int:
        orphans = await asyncio.to_thread(self._budgets.orphans, BATCH)
        for orphan in orphans:
            if is_lease_id(orphan.lease_id) and orphan.lease_id not in self._given:
                if len(self._given) < MOST_GIVEN:
                    self._given[orphan.lease_id] = orphan.owner
                await self._offer_until_taken(row_of_orphan(orphan))
        new = sum(1 for orphan in orphans if is_lease_id(orphan.lease_id) and not orphan.again)
        self._metrics.orphans.add(n=new)
        self._metrics.settlements.add(UsageSource.RESERVED, new)
        return len(orphans)

    async def _account(self) -> None:
        """Reports rows that are safe.  An orphan that is not reported now is given once more, which changes nothing."""
        safe, self._safe = self._safe, []
        for start in range(0, len(safe), BATCH):
            await asyncio.to_thread(self._budgets.accounted, safe[start : start + BATCH])

    async def _offer_until_taken(self, row: UsageRow) -> None:
        """Gives up after a while; the budgets then return the lease again."""
        deadline = time.monotonic() + 60.0
        while not self._offer(row):
            if time.monotonic() > deadline:
                log.error("no room for the row of an orphaned lease", lease_id=row.id)
                self._given.pop(row.id, None)
                return
            await asyncio.sleep(0.1)
