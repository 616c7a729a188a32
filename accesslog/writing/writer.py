"""Rows on their way into the ledger: batched, on disk while it is away, and in memory while neither takes them.

Two tasks on the background loop: one takes rows from memory to the ledger, or to the spool if the ledger is away; the
other takes them from the spool to the ledger.  The spool has a thread of its own, which takes what the two ask of it in
order.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from accesslog.delivery import Deliveries, Step
from accesslog.metrics import ROWS, AccessLogMetrics
from accesslog.writing.append import Appender
from accesslog.writing.spool import Spool
from ledger.row import UsageRow

log = structlog.get_logger(__name__)
T = TypeVar("T")

BATCH_ROWS = 1000
LINGER_SECONDS = 0.1  # rows of a quiet moment share a batch: its round trips cost as much as a hundred rows
RETRY_SECONDS = 1.0
MAX_ROWS = 20_000  # about 20 MB; two seconds of the highest rate
CROWDED = 0.75  # part of that: requests that run by then still have to find room


class LedgerWriter:
    """`offer` from any thread; the rest on the loop that runs `run`.  `stored` is told there of rows that no end of the
    process loses any more."""

    def __init__(
        self,
        ledger: Appender,
        spool: Spool,
        deliveries: Deliveries,
        metrics: AccessLogMetrics,
        max_rows: int = MAX_ROWS,
        *,
        stored: Callable[[Sequence[UsageRow]], None] = lambda _rows: None,
    ) -> None:
        self._ledger, self._spool, self._deliveries, self._metrics = ledger, spool, deliveries, metrics
        self._max_rows, self._stored = max_rows, stored
        self._rows: deque[UsageRow] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()
        self._told = False  # whether the loop has been told of rows since it last looked
        self._closing = False
        self._spool_thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting_since = self._in_hand_since = float("inf")  # time.time() of the oldest row
        self._in_hand = 0  # rows that are being stored
        self._stuck = False  # neither the ledger nor the spool took the last rows

    @property
    def waiting(self) -> int:
        """Rows in memory."""
        return len(self._rows) + self._in_hand

    @property
    def crowded(self) -> bool:
        """Whether new requests should not run, since their rows might find no room."""
        return self.waiting >= CROWDED * self._max_rows

    @property
    def lag_seconds(self) -> float:
        """How long the oldest row has been waiting for the ledger."""
        spooled = self._spool.since or float("inf")
        return max(0.0, time.time() - min(self._waiting_since, self._in_hand_since, spooled))

    def offer(self, row: UsageRow) -> bool:
        """Queues the row; False if there is no room."""
        if self.waiting >= self._max_rows:
            return False
        self._rows.append(row)
        if not self._told:
            self._told = True
            self._waiting_since = time.time()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._ready.set)
        return True

    async def run(self) -> None:
        """Until `finish`."""
        self._loop = asyncio.get_running_loop()
        if self._rows or self._closing:
            self._ready.set()
        drain = asyncio.create_task(self._drain(), name="spool drain")
        try:
            while not self._closing:
                await self._ready.wait()
                self._ready.clear()
                if not self._closing:
                    await asyncio.sleep(LINGER_SECONDS)
                self._told = False
                await self._empty()
                if self._stuck and not self._closing:
                    await asyncio.sleep(RETRY_SECONDS)
                    self._ready.set()
        finally:
            drain.cancel()
            await asyncio.gather(drain, return_exceptions=True)

    def finish(self) -> None:
        """Ends `run` as soon as all queued rows are written or spooled.  On the loop."""
        self._closing = True
        self._ready.set()

    def close(self) -> None:
        """After `run` has ended."""
        self._spool_thread.shutdown()
        self._spool.close()

    async def _empty(self) -> None:
        """Runs until no row waits, or nothing takes them."""
        self._stuck = False
        while self._rows and not self._stuck:
            batch = [self._rows.popleft() for _ in range(min(BATCH_ROWS, len(self._rows)))]
            self._in_hand, self._in_hand_since = len(batch), self._waiting_since
            self._waiting_since = time.time() if self._rows else float("inf")
            try:
                await self._store(batch)
            except Exception as error:
                self._metrics.failures.add()
                log.error("usage rows could not be stored", rows=len(batch), exc_info=error)
                self._leave_to_file(batch)
            self._in_hand, self._in_hand_since = 0, float("inf")

    async def _store(self, batch: list[UsageRow]) -> None:
        if not (self._ledger.available and await self._ledger.append(batch)):
            if not await self._in_spool_thread(lambda: self._spool.append(batch)):
                self._put_back(batch)
                return
            self._metrics.spooled.add(n=len(batch))
        self._deliveries.mark((row.id for row in batch), Step.WRITTEN)
        self._stored(batch)

    def _put_back(self, batch: Sequence[UsageRow]) -> None:
        """The rows wait in memory; later ones that find no room are left to the file log."""
        self._stuck = True
        if self._closing:
            self._leave_to_file(batch)
            return
        self._rows.extendleft(reversed(batch))
        self._waiting_since = self._in_hand_since
        log.warning("neither the ledger nor the disk takes usage rows, they wait in memory", rows=len(self._rows))

    def _leave_to_file(self, batch: Sequence[UsageRow]) -> None:
        """Gives up on the rows; the file log, if there is one, still has them and brings them again."""
        self._metrics.dropped.add(ROWS, len(batch))
        self._deliveries.forget(row.id for row in batch)
        log.error("usage rows could not be kept, only the file log has them", rows=len(batch))

    async def _drain(self) -> None:
        """Brings back what the spool holds, and finds out when the ledger is there again."""
        while True:
            try:
                idle = not await self._drain_oldest()
            except Exception as error:
                self._metrics.failures.add()
                log.error("the spool could not be drained", exc_info=error)
                idle = True
            if idle:
                await asyncio.sleep(RETRY_SECONDS)
                if not self._spool.rows:
                    self._ledger.available = True  # so that the next batch tries

    async def _drain_oldest(self) -> bool:
        """Whether a segment has been moved to the ledger, so that there may be another."""
        if not self._spool.held:
            await self._in_spool_thread(self._spool.take)
        if not self._spool.size:
            return False
        rows = await self._in_spool_thread(self._spool.oldest)
        for start in range(0, len(rows), BATCH_ROWS):
            if not await self._ledger.append(rows[start : start + BATCH_ROWS]):
                return False
        if rows:
            await self._in_spool_thread(self._spool.drop_oldest)
        return bool(rows)

    async def _in_spool_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._spool_thread, work)
