"""Leases that no log entry ever settled: they stay charged as reserved, and the ledger says so."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from accesslog.metrics import AccessLogMetrics
from accesslog.row import row_of_orphan
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.port import Budgets, BudgetsUnavailable
from tenancy.values.lease_id import is_lease_id

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
BATCH = 500


class Sweep:
    """`offer` takes a row, or returns False when it has no room.  `ready`: whether all that the file log held at the
    start has been taken; until then a lease may look orphaned only because we were away."""

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

    async def run(self) -> None:
        """Until `finish`."""
        while not await self._finished_within(self._interval_seconds):
            try:
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
            await asyncio.wait_for(self._finished.wait(), seconds)
        return self._finished.is_set()

    async def _sweep(self) -> int:
        orphans = await asyncio.to_thread(self._budgets.orphans, BATCH)
        rows = [row_of_orphan(orphan) for orphan in orphans if is_lease_id(orphan.lease_id)]
        for row in rows:
            await self._offer_until_taken(row)
        new = sum(1 for orphan in orphans if is_lease_id(orphan.lease_id) and not orphan.again)
        self._metrics.orphans.add(n=new)
        self._metrics.settlements.add(UsageSource.RESERVED, new)
        return len(orphans)

    async def _offer_until_taken(self, row: UsageRow) -> None:
        """The budgets give the lease once more, and then no more."""
        deadline = time.monotonic() + 60.0
        while not self._offer(row):
            if time.monotonic() > deadline:
                log.error("no room for the row of an orphaned lease", lease_id=row.id)
                return
            await asyncio.sleep(0.1)
