"""Leases that no log entry ever settled: they stay charged as reserved, and the ledger says so."""

import asyncio
import time
from collections.abc import Callable

import structlog

from accesslog.metrics import AccessLogMetrics
from ledger.row import UsageRow, UsageSource, clean
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, Orphan
from ratelimit.lease_id import is_lease_id, lease_time
from ratelimit.tenants.lease import Kept
from tenancy.values.admission import Admission

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
BATCH = 500


def row_of_orphan(orphan: Orphan) -> UsageRow:
    """The reservation as usage: the input as it was estimated, the rest as output."""
    kept = Kept.read(orphan.kept)
    input_tokens = min(kept.input_estimate, kept.tokens)
    return UsageRow(
        id=orphan.lease_id,
        ts=lease_time(orphan.lease_id),
        request_id="",
        tenant_id=clean(orphan.owner),
        key_id=clean(kept.key_id),
        user_id=clean(kept.user_id),
        end_user_id=clean(kept.end_user_id),
        model=clean(kept.model),
        admission=Admission.FAST,
        input_tokens=input_tokens,
        output_tokens=kept.tokens - input_tokens,
        cached_tokens=0,
        reasoning_tokens=0,
        reserved_tokens=kept.tokens,
        usage_source=UsageSource.RESERVED,
        status=0,
        denied_by="",
        streamed=False,
        aborted=False,
        method="",
        path=clean(kept.path.partition("?")[0]),
        total_ms=0,
        ttft_ms=None,
        queue_ms=0,
        bytes_in=0,
        bytes_out=0,
    )


class Sweep:
    """`offer` takes a row, or says False for want of room.  `ready`: whether what the file log held at the start has
    been taken; until then a lease may look orphaned only because we were away."""

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
        try:
            await asyncio.wait_for(self._finished.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _sweep(self) -> int:
        orphans = await asyncio.to_thread(self._budgets.orphans, BATCH)
        rows = [row_of_orphan(orphan) for orphan in orphans if is_lease_id(orphan.lease_id)]
        for row in rows:
            await self._offer_until_taken(row)
        self._metrics.orphans.add(n=len(rows))
        self._metrics.settlements.add(UsageSource.RESERVED, len(rows))
        return len(orphans)

    async def _offer_until_taken(self, row: UsageRow) -> None:
        """Nothing else has this row: the lease is gone from the budgets."""
        deadline = time.monotonic() + 60.0
        while not self._offer(row):
            if time.monotonic() > deadline:
                log.error("no room for the row of an orphaned lease", lease_id=row.id)
                return
            await asyncio.sleep(0.1)
