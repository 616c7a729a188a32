"""Sends spans and metrics of finished requests to a receiver: in batches, from a bounded queue, in a thread of its own.
If there is no room, or the receiver is away, they are dropped and counted: telemetry must not delay accounting."""

import asyncio
import time
from collections import deque

import structlog

from accesslog.entry import LogEntry
from accesslog.metrics import DROPPED, EXPORTED, UNSAMPLED, AccessLogMetrics
from accesslog.telemetry.figures import Figures
from accesslog.telemetry.otlp import NotTaken, Receiver, span_message
from accesslog.telemetry.spans import Names, Span, span_of
from ledger.row import UsageRow

log = structlog.get_logger(__name__)

MAX_WAITING = 8192
BATCH = 512
LINGER_SECONDS = 1.0
AGAIN_SECONDS = 5.0  # before a receiver that was away is tried again
METRICS_SECONDS = 10.0


class Exporter:
    """`offer` from any thread; the rest on one loop.  At most `most` wait."""

    def __init__(
        self,
        receiver: Receiver,
        metrics: AccessLogMetrics,
        names: Names,
        metrics_seconds: float = METRICS_SECONDS,
        most: int = MAX_WAITING,
    ) -> None:
        self._receiver, self._metrics, self._names, self._most = receiver, metrics, names, most
        self._waiting = deque[tuple[LogEntry, UsageRow]]()
        self._figures, self._since_ns = Figures(), time.time_ns()
        self._metrics_seconds, self._metrics_at = metrics_seconds, 0.0
        self._trouble = ""

    def offer(self, entry: LogEntry, row: UsageRow) -> None:
        """Does not wait."""
        if len(self._waiting) >= self._most:
            self._metrics.spans.add(DROPPED)
        else:
            self._waiting.append((entry, row))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LINGER_SECONDS)
            if not await self.flush():
                await asyncio.sleep(AGAIN_SECONDS)

    async def flush(self) -> bool:
        """Sends all that waits; False if the receiver does not take it."""
        try:
            await asyncio.to_thread(self._send)
        except NotTaken as error:
            self._report(str(error))
            return False
        except Exception:  # the top of a background task
            self._metrics.failures.add()
            log.exception("telemetry could not be exported")
            return False
        self._report("")
        return True

    def _send(self) -> None:
        while self._waiting:
            self._send_batch([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])
        if time.monotonic() >= self._metrics_at and self._figures.all:
            self._receiver.take_metrics(self._figures, self._since_ns, time.time_ns(), self._names)
            self._metrics_at = time.monotonic() + self._metrics_seconds

    def _send_batch(self, batch: list[tuple[LogEntry, UsageRow]]) -> None:
        spans = [span for entry, row in batch if (span := self._span_of(entry, row)) is not None]
        for span in spans:
            self._figures.add(span)
        sampled, taken = [span for span in spans if span.sampled], 0
        self._metrics.spans.add(UNSAMPLED, len(spans) - len(sampled))
        try:
            taken = self._receiver.take_spans(sampled) if sampled else 0
        finally:
            self._metrics.spans.add(EXPORTED, taken)
            self._metrics.spans.add(DROPPED, len(sampled) - taken)

    def _span_of(self, entry: LogEntry, row: UsageRow) -> Span | None:
        """None if the request cannot be made a span, which must not cost the rest of the batch."""
        try:
            span = span_of(entry, row, self._names)
            span_message(span)
        except (ValueError, TypeError):
            self._metrics.spans.add(DROPPED)
            log.exception("a request could not be made a span", lease_id=row.id)
            return None
        return span

    def _report(self, trouble: str) -> None:
        """Logs the first trouble of a series."""
        if trouble and not self._trouble:
            log.warning("the receiver of telemetry does not take it; it is dropped meanwhile", reason=trouble)
        elif self._trouble and not trouble:
            log.info("the receiver of telemetry takes it again")
        self._trouble = trouble
