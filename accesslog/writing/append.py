"""Appends rows to the ledger, from memory or from the spool: prices them, and leaves out what it will never take.

A row is priced when it is written, never earlier, by the prices of that moment.  While prices are not known (no store
has answered since the start, or for a minute) rows wait: an unknown price must not become a price of zero.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from accesslog.metrics import AccessLogMetrics
from ledger.cost import PricedRow, PriceList, priced
from ledger.ledger import Ledger, LedgerUnavailable, RowRejected
from ledger.row import UsageRow
from tenancy.directory.key_uses import KeyUses

log = structlog.get_logger(__name__)

WARN_SECONDS = 5.0  # after which rows that wait are worth a warning
MAX_REASON = 200  # characters


class Appender:
    """`prices` answers from memory; None: not known.  Belongs to one loop."""

    def __init__(
        self,
        ledger: Ledger,
        prices: Callable[[], PriceList | None],
        key_uses: KeyUses,
        metrics: AccessLogMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._prices, self._key_uses, self._metrics = ledger, prices, key_uses, metrics
        self._clock = clock
        self.available = True  # whether the last rows were taken
        self._away_since, self._reason = float("inf"), ""

    @property
    def warnings(self) -> list[str]:
        """What an operator should look into: a store that answers questions may still take no rows."""
        if self._clock() - self._away_since < WARN_SECONDS:
            return []
        return [f"the ledger takes no rows, they wait on disk ({self._reason[:MAX_REASON]})"]

    async def append(self, rows: Sequence[UsageRow]) -> bool:
        """False if the rows must wait."""
        prices = self._prices()
        if prices is None:
            self._away("the prices of models are not known")
            return False
        return await self._append(priced(rows, prices))

    async def _append(self, rows: Sequence[PricedRow]) -> bool:
        try:
            await self._ledger.append(rows)
        except LedgerUnavailable as error:
            self._metrics.ledger_errors.add()
            self._away(str(error))
            return False
        except RowRejected as error:
            return await self._append_halves(rows, error)
        if not self.available:
            log.info("the ledger is back")
        self.available, self._away_since = True, float("inf")
        self._metrics.rows.add(n=len(rows))
        self._metrics.batch_rows.observe(len(rows))
        await self._key_uses.note({row.key_id: row.ts for row, *_ in rows})  # nearly in the order of time
        return True

    async def _append_halves(self, rows: Sequence[PricedRow], error: RowRejected) -> bool:
        """Finds the rows that the ledger will never take, and goes on without them."""
        if len(rows) == 1:
            self._metrics.rejected.add()
            log.error("the ledger rejects a usage row", lease_id=rows[0].usage.id, reason=str(error))
            return True
        middle = len(rows) // 2
        return await self._append(rows[:middle]) and await self._append(rows[middle:])

    def _away(self, reason: str) -> None:
        if self.available:
            log.warning("the ledger is away, usage rows wait on disk", reason=reason)
        self.available, self._reason = False, reason
        self._away_since = min(self._away_since, self._clock())
