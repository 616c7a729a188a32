"""Denials on their way into the ledger's store: a bounded number a second, whatever clients do, and nothing waits for
them.

The first few of a kind within some seconds are kept, enough to explain.  So a flood of one kind leaves room for the
others, and guessed keys, each of which is a kind of its own, leave room for known keys.  Those that are left out, or
find the store away for long, are only counted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

import structlog

from accesslog.metrics import KEPT, LEFT_OUT, UNANSWERED, AccessLogMetrics
from ledger.denials import Denial, Denials
from ledger.ledger import LedgerUnavailable

log = structlog.get_logger(__name__)

SECONDS = 10.0
FEW = 10  # of a kind, within SECONDS
MOST = 100  # of all kinds whose key is known, and of all others, within SECONDS
WRITE_SECONDS = 0.5
BATCH = 200
MAX_WAITING = 2000

Kind = tuple[str, str, str, str]


class DenialWriter:
    """`offer` from any thread; `run` on the loop."""

    def __init__(
        self, denials: Denials, metrics: AccessLogMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._denials, self._metrics, self._clock = denials, metrics, clock
        self._since = clock()
        self._kinds, self._all = Counter[Kind](), Counter[bool]()
        self._waiting: deque[Denial] = deque(maxlen=MAX_WAITING)

    def offer(self, denial: Denial) -> None:
        """Keeps it if it is one of the first of its kind.  Does not wait."""
        if (service := UNANSWERED.get(denial.reason)) is not None:
            self._metrics.unanswered.add(service)
        now = self._clock()
        if now - self._since >= SECONDS:
            self._since = now
            self._kinds.clear()
            self._all.clear()
        kind = denial.reason, denial.key_prefix, denial.tenant_id, denial.key_id
        if self._kinds[kind] >= FEW or self._all[bool(denial.key_id)] >= MOST:
            self._metrics.denials.add(LEFT_OUT)
            return
        self._kinds[kind] += 1
        self._all[bool(denial.key_id)] += 1
        self._waiting.append(denial.cleaned())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self.write()
            except LedgerUnavailable:
                pass  # they wait; the oldest are dropped first
            except Exception:  # the top of a background task
                self._waiting.clear()  # what cannot be written must not be retried for ever
                self._metrics.failures.add()
                log.exception("denials could not be kept")

    async def write(self) -> None:
        """All that wait."""
        while batch := list(islice(self._waiting, BATCH)):
            await self._denials.append(batch)
            for each in batch:
                if self._waiting and self._waiting[0] is each:
                    self._waiting.popleft()
            self._metrics.denials.add(KEPT, len(batch))
