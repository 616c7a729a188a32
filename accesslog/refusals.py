"""Refusals beyond a rate, summed up: a key that floods costs the ledger a row each second, and not one a request.

The first few of a kind have rows of their own.  What is summed up has the id of its first request, whichever log
brought which first, so that most of what a log brings again after a crash finds its row there.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from accesslog.delivery import Deliveries
from ledger.row import UsageRow
from tenancy.values.lease_id import lease_time

FEW = 10  # refusals of a kind within SECONDS that have rows of their own
SECONDS = 10.0
SUM_SECONDS = 1.0  # less than the reader of the file log waits for a row; after that it would bring the requests again
MAX_ROWS = 2000  # that one sum has; the next begins
MAX_KINDS = 10_000

Kind = tuple[str, str, str, str, int]  # tenant, key, user, by what, status


@dataclass(slots=True)
class _Refusals:
    since: float
    alone: int = 0
    rows: list[UsageRow] = field(default_factory=list)


class RefusalSums:
    """`offer` queues a row for the ledger, if there is room.  `add` and `flush` are for any thread."""

    def __init__(
        self,
        offer: Callable[[UsageRow], bool],
        deliveries: Deliveries,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offer, self._deliveries, self._clock = offer, deliveries, clock
        self._lock = threading.Lock()
        self._kinds: dict[Kind, _Refusals] = {}

    def add(self, row: UsageRow) -> bool:
        """Whether the row was taken into a sum; if not, it needs to be written by itself."""
        kind = row.tenant_id, row.key_id, row.user_id, row.denied_by, row.status
        with self._lock:
            known = self._kinds.get(kind)
            if known is None:
                if len(self._kinds) >= MAX_KINDS:
                    return False
                known = self._kinds[kind] = _Refusals(self._clock())
            if known.alone < FEW:
                known.alone += 1
                return False
            known.rows.append(row)
            if len(known.rows) >= MAX_ROWS:
                self._write(known)
            return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SUM_SECONDS)
            self.flush(self._clock() - SECONDS)

    def flush(self, before: float = float("inf")) -> None:
        """Hands on all sums.  Kinds whose sums began before `before` may have rows of their own again."""
        with self._lock:
            for kind, known in list(self._kinds.items()):
                self._write(known)
                if known.since <= before:
                    del self._kinds[kind]

    def _write(self, known: _Refusals) -> None:
        if not known.rows:
            return
        row, ids = summed(known.rows), [each.id for each in known.rows]
        known.rows = []
        self._deliveries.join(row.id, [each for each in ids if each != row.id])
        if not self._offer(row):
            self._deliveries.forget((row.id,))


def summed(rows: list[UsageRow]) -> UsageRow:
    """One row for all of them.  Fields in which they differ are left empty."""
    first = min(rows, key=lambda row: row.id)

    def common(name: str) -> str:
        found = {getattr(row, name) for row in rows}
        return str(found.pop()) if len(found) == 1 else ""

    return first._replace(
        ts=lease_time(first.id),
        request_id=common("request_id"),
        end_user_id=common("end_user_id"),
        model=common("model"),
        method=common("method"),
        path=common("path"),
        total_ms=sum(row.total_ms for row in rows),
        queue_ms=sum(row.queue_ms for row in rows),
        bytes_in=sum(row.bytes_in for row in rows),
        bytes_out=sum(row.bytes_out for row in rows),
        requests=sum(row.requests for row in rows),
    )
