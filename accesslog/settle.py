"""Settlements, and leases to give back, on their way to the budgets: a thread of their own, because the Redis client
blocks.

What Redis does not take is tried again until it does; what has no room is left to the file log.  A lease to give back
that is not there is looked for again: its request may have ended while ratelimit was still asking for it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

import structlog

from accesslog.delivery import Deliveries, Step
from accesslog.entry import LogEntry
from accesslog.metrics import AccessLogMetrics
from accesslog.usage import Usage
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, LeaseName, Settled, Settlement
from ratelimit.budgets.rule import MOST_COST, UNKNOWN, Rule, load_rules
from ratelimit.commit.in_doubt import InDoubt
from tenancy.values.admission import Admission

log = structlog.get_logger(__name__)

BATCH = 32  # keeps Redis busy for about 2 ms if each is of another tenant
LINGER_SECONDS = 0.01  # a batch costs the client about as much as a single one
RETRY_SECONDS = 1.0
MAX_PENDING = 100_000  # about 40 MB
# Admissions without a lease, while the budgets could not be asked: the whole use is charged at once.
REFUSED, GONE = Admission.REFUSED, Settled.GONE
WITHOUT_LEASE = frozenset({Admission.LOCAL, Admission.UNMETERED})


Ending = Settlement | LeaseName


def settlement_of(entry: LogEntry, usage: Usage, cost: int = UNKNOWN) -> Settlement | None:
    """What is to be settled for the request; None if it was refused, and so holds nothing.  `cost`: see Used; more than
    MOST_COST counts as that."""
    decision = entry.decision
    if decision.denied or decision.admission == REFUSED:
        return None
    used = usage.used(min(cost, MOST_COST))
    if decision.admission in WITHOUT_LEASE:
        return Settlement(decision.tenant_id, decision.lease_id, used, direct=True, rules=read_rules(decision.limits))
    return Settlement(decision.tenant_id, decision.lease_id, used)


@lru_cache(maxsize=4096)
def read_rules(text: str) -> tuple[Rule, ...]:
    """The rules as ratelimit.budgets.rule.dump_rules wrote them; none if it did not."""
    try:
        return load_rules(text or "[]")
    except (TypeError, ValueError):
        log.warning("limits of a log entry cannot be read")
        return ()


def no_matter(owners: Sequence[str]) -> None:
    """The default for `freed`: nobody needs the slots that come free."""


class Settler:
    """`offer` is thread-safe.  `freed` is called, from the settler's thread, with the owners whose leases were
    settled."""

    def __init__(
        self,
        budgets: Budgets,
        deliveries: Deliveries,
        metrics: AccessLogMetrics,
        max_pending: int = MAX_PENDING,
        retry_seconds: float = RETRY_SECONDS,
        *,
        doubts: InDoubt | None = None,
        freed: Callable[[Sequence[str]], object] = no_matter,
    ) -> None:
        self._budgets, self._deliveries, self._metrics = budgets, deliveries, metrics
        self._doubts = InDoubt(time.monotonic) if doubts is None else doubts
        self._max_pending, self._retry_seconds, self._freed = max_pending, retry_seconds, freed
        self._pending: deque[Ending] = deque()
        self._ready = threading.Event()
        self._give_up_at: float | None = None  # time.monotonic(), once closing
        self._closing = threading.Event()
        self._available = True
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    @property
    def pending(self) -> int:
        return len(self._pending)

    def start(self) -> None:
        self._thread.start()

    def offer(self, settlement: Ending) -> bool:
        """Queues it; False if there is no room."""
        if len(self._pending) >= self._max_pending:
            return False
        self._pending.append(settlement)
        if not self._ready.is_set():
            self._ready.set()
        return True

    def close(self, timeout: float) -> None:
        """Settles what is queued, for at most `timeout` s."""
        self._give_up_at = time.monotonic() + timeout
        self._closing.set()
        self._ready.set()
        self._thread.join(timeout + 1.0)

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._ready.wait(self._doubts.seconds_until_due()) and not self._closing.is_set():
                time.sleep(LINGER_SECONDS)
            self._ready.clear()
            self._release_again()
            while self._pending and not self._too_late():
                batch = [self._pending.popleft() for _ in range(min(BATCH, len(self._pending)))]
                try:
                    self._settle(batch)
                except Exception as error:
                    self._metrics.failures.add()
                    log.error("settling failed", settlements=len(batch), exc_info=error)
                    self._settle_one_by_one(batch)

    def _settle(self, batch: list[Ending]) -> None:
        """Returns when the batch is settled, or when time is up."""
        while not self._too_late():
            try:
                outcomes = self._end(batch)
            except BudgetsUnavailable as error:
                self._metrics.settle_errors.add()
                if self._available:
                    log.warning("the budgets are away, settlements wait", reason=str(error))
                self._available = False
                self._pause()
                continue
            self._available = True
            self._freed([settlement.owner for settlement in batch])
            gone = outcomes.count(GONE)
            self._metrics.settled.add("gone", gone)
            self._metrics.settled.add("settled", len(outcomes) - gone)
            self._deliveries.mark((settlement.lease_id for settlement in batch), Step.SETTLED)
            return

    def _end(self, batch: list[Ending]) -> list[Settled]:
        settlements = [each for each in batch if isinstance(each, Settlement)]
        names = [each for each in batch if isinstance(each, LeaseName)]
        outcomes = self._budgets.settle(settlements) if settlements else []
        if not names:
            return outcomes
        released = self._budgets.release(names)
        self._doubts.add([name for name, found in zip(names, released, strict=True) if found is GONE])
        return outcomes + released

    def _release_again(self) -> None:
        """Looks for leases that were not there when they were to be given back; nothing depends on the outcome."""
        try:
            self._doubts.release_due(self._budgets)
        except BudgetsUnavailable:
            self._doubts.postpone()
        except Exception as error:
            self._doubts.postpone()
            self._metrics.failures.add()
            log.error("leases cannot be given back", leases=len(self._doubts), exc_info=error)

    def _settle_one_by_one(self, batch: list[Ending]) -> None:
        """At least one cannot be settled at all: it is skipped, the others are not."""
        for settlement in batch:
            try:
                self._settle([settlement])
            except Exception as error:
                self._metrics.failures.add()
                log.error("a request cannot be settled", lease_id=settlement.lease_id, exc_info=error)
                self._deliveries.mark([settlement.lease_id], Step.SETTLED)

    def _pause(self) -> None:
        if self._give_up_at is None:
            self._closing.wait(self._retry_seconds)
        else:
            time.sleep(min(0.1, self._retry_seconds))

    def _too_late(self) -> bool:
        return self._give_up_at is not None and time.monotonic() >= self._give_up_at
