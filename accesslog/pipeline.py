"""From a log entry to a settled budget and a row in the ledger: the parts, wired and owned.

Both logs bring their entries to `accept`; whichever comes second finds the entry known.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path

import structlog

from accesslog.cached import charged_of
from accesslog.delivery import Deliveries, Step
from accesslog.entry import LogEntry, Undecided
from accesslog.file_log.alone import Alone
from accesslog.file_log.backfill import GRACE_SECONDS, Backfill
from accesslog.file_log.space import has_room_beside
from accesslog.jobs.keeper import Item, JobKeeper
from accesslog.jobs.seen import Begun, Lost, Read, seen_of
from accesslog.learned.speeds import Speeds
from accesslog.leases.renewals import Renewals
from accesslog.leases.sweep import SWEEP_SECONDS, Sweep
from accesslog.metrics import JOBS, ROWS, SETTLEMENTS, AccessLogMetrics
from accesslog.refusals import RefusalSums
from accesslog.row import row_of
from accesslog.settle import WITHOUT_LEASE, Settler, no_matter, read_rules, settlement_of
from accesslog.trace_context import sampled_trace
from accesslog.usage import NO_USAGE, UNKNOWN_SPEED, Usage, depends_on_speed, usage_of
from accesslog.writing.append import Appender
from accesslog.writing.fence import Fence
from accesslog.writing.spool import SPOOL_MAX_BYTES, Spool
from accesslog.writing.writer import MAX_ROWS, LedgerWriter
from ledger.cost import PriceList, cost_of, in_millionths
from ledger.ledger import Ledger
from ledger.row import UsageRow, UsageSource
from ratelimit.budgets.jobs import Jobs
from ratelimit.budgets.port import Budgets, LeaseName, Settlement
from ratelimit.budgets.rule import UNKNOWN, Rule
from ratelimit.fairness.service import service_of
from ratelimit.tenants.estimates.corrections import Corrections
from ratelimit.tenants.estimates.text import SCRIPTS
from serving.loop import LoopThread
from tenancy.directory.key_uses import KeyUses
from tenancy.values.admission import Admission

log = structlog.get_logger(__name__)

MS_PER_SECOND = 1000
# Looked up by its class, a member of an enumeration costs ten times as much.
REPORTED, CACHED, REFUSED = UsageSource.REPORTED, Admission.CACHED, Admission.REFUSED
SETTLED, OK = Step.SETTLED, int(HTTPStatus.OK)


def no_matter_how(lease_id: str, service: int | None) -> None:
    """The default for `ended`: nobody needs the ends of requests."""


class Pipeline:
    """`log_file` None: there is no file log to fall back on.  The spool and the checkpoint are this process's own.

    `ended` is called, from any thread and perhaps more than once, with the lease id of each request that is over, and
    the tokens of service that it had (None: not known, or told before), `undecided` with that of each whose decision
    did not reach Envoy, and never will; `freed` with the owners of leases that were settled; `done` with the lease ids
    of requests that are settled and whose row is safe.  `sweeps`: whether this process looks for orphaned leases.
    `observed` is told of each with its row.  `refunds`: see usage.py.  `corrections`: what finished requests are to
    teach ratelimit.  `alone`: as in backfill.py."""

    def __init__(
        self,
        *,
        budgets: Budgets,
        jobs: Jobs,
        ledger: Ledger,
        prices: Callable[[], PriceList | None],
        key_uses: KeyUses,
        loop: LoopThread,
        metrics: AccessLogMetrics,
        sift: Callable[[LogEntry | Undecided], LogEntry | Undecided | None],
        spool_dir: Path,
        checkpoint_file: Path,
        log_file: Path | None,
        spool_max_bytes: int = SPOOL_MAX_BYTES,
        fence: Fence | None = None,
        grace_seconds: float = GRACE_SECONDS,
        log_keep_bytes: int = 0,
        alone: Alone | None = None,
        max_rows: int = MAX_ROWS,
        sweep_seconds: float = SWEEP_SECONDS,
        sweeps: bool = True,
        refunds: bool = False,
        corrections: Corrections | None = None,
        observed: Callable[[LogEntry, UsageRow], None] | None = None,
        ended: Callable[[str, int | None], object] = no_matter_how,
        undecided: Callable[[str], None] | None = None,
        freed: Callable[[Sequence[str]], object] = no_matter,
        done: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self._loop, self._metrics, self.sift = loop, metrics, sift
        self._ended, self._undecided, self._sweeps = ended, undecided, sweeps
        self._prices, self._refunds, self._observed = prices, refunds, observed
        self.speeds, self._corrections = Speeds(), corrections or Corrections()
        self._deliveries = Deliveries(done=done)
        self.done_elsewhere = self._deliveries.done_elsewhere
        self._spool = Spool(spool_dir, spool_max_bytes, fence)
        self._appender = Appender(ledger, prices, key_uses, metrics)
        self._writer = LedgerWriter(
            self._appender,
            self._spool,
            self._deliveries,
            metrics,
            max_rows,
            stored=lambda rows: self._sweep.stored(rows),
        )
        self._refusals = RefusalSums(self._writer.offer, self._deliveries)
        self._settler = Settler(budgets, self._deliveries, metrics, freed=freed)
        self._log_file = log_file
        self._keeper = JobKeeper(
            jobs, self._writer.offer, self._settler.offer, self._cost_of, self._deliveries, metrics
        )
        read_for = self._deliveries, sift, self.accept, metrics
        self._backfill = (
            Backfill(log_file, checkpoint_file, *read_for, grace_seconds, log_keep_bytes, alone) if log_file else None
        )
        self._renewals = Renewals(budgets, metrics)
        self._sweep = Sweep(budgets, self._writer.offer, self._may_sweep, metrics, sweep_seconds)
        self._watch()

    def start(self) -> None:
        self._settler.start()
        self._writing = self._loop.submit(self._writer.run())
        self._keeping = self._loop.submit(self._keeper.run())
        self._sweeping = self._loop.submit(self._sweep.run())
        self._summing = self._loop.submit(self._refusals.run())
        self._renewing = self._loop.submit(self._renewals.run())
        if self._backfill is not None:
            self._backfill.start()

    def accept(self, entry: LogEntry | Undecided, source: str) -> bool:
        """Sees to it that the request is settled and in the ledger, once.  From any thread; does not wait.

        False if there is no room: the file log will bring the entry again.  `source` is one of metrics.LOGS."""
        self._metrics.entries.add(source)
        if isinstance(entry, Undecided):
            return self._give_back(entry, source)
        if entry.undecided is not None:
            self._give_back(entry.undecided, source)
        lease_id = entry.decision.lease_id
        if not self._deliveries.begin(lease_id):
            self._ended(lease_id, None)
            self._metrics.duplicates.add(source)
            return True
        speed = self.speeds.of(entry.decision.model) if depends_on_speed(entry) else UNKNOWN_SPEED
        usage, saved = usage_of(entry, speed, refunds=self._refunds), NO_USAGE
        self._ended(lease_id, service_of(usage.input_tokens, usage.output_tokens))
        if entry.decision.admission == CACHED:  # which tells nothing of the model
            usage, saved = charged_of(entry, usage)
        else:
            self._learn(entry, usage)
        row = row_of(entry, usage, saved)
        self._measure(entry, row)
        settlement = settlement_of(entry, usage, self._cost_of(row))
        if seen := seen_of(entry):
            return self._accept_job(entry, seen, row, settlement)
        refused = settlement is None
        if refused and row.admission == REFUSED and self._refusals.add(row):
            self._deliveries.mark((lease_id,), SETTLED)
            self._metrics.settlements.add(usage.source)
            return True
        if (refused and self._writer.crowded) or not self._writer.offer(row):
            return self._drop(lease_id, ROWS)
        if settlement is None:
            self._deliveries.mark((lease_id,), SETTLED)
        elif not self._settler.offer(settlement):
            return self._drop(lease_id, SETTLEMENTS)
        self._metrics.settlements.add(usage.source)
        return True

    def renew(self, entry: LogEntry) -> None:
        """The request still runs.  Thread-safe; does not wait.  A request that has ended stays ended."""
        decision = entry.decision
        if not decision.denied and not self._deliveries.is_known(decision.lease_id):
            self._renewals.add(LeaseName(decision.tenant_id, decision.lease_id))

    def _measure(self, entry: LogEntry, row: UsageRow) -> None:
        trace, metrics = sampled_trace(entry.traceparent, row.id), self._metrics
        metrics.request_seconds.observe(row.total_ms / MS_PER_SECOND, trace=trace)
        if row.ttft_ms is not None:
            metrics.first_byte_seconds.observe(row.ttft_ms / MS_PER_SECOND, trace=trace)
        if self._observed is not None:
            self._observed(entry, row)

    def _learn(self, entry: LogEntry, usage: Usage) -> None:
        decision = entry.decision
        if usage.source is not REPORTED or entry.status != OK:
            return
        self.speeds.learn(entry, usage)
        if decision.text_estimate:
            script = decision.script if decision.script in SCRIPTS else ""
            self._corrections.learn(decision.model, decision.kind, decision.text_estimate, usage.input_tokens, script)

    def _accept_job(self, entry: LogEntry, seen: Begun | Read, row: UsageRow, settlement: Settlement | None) -> bool:
        decision = entry.decision
        rules = read_rules(decision.limits) if decision.admission in WITHOUT_LEASE else ()
        if not self._keeper.offer(Item(seen, row, settlement, rules)):
            return self._drop(decision.lease_id, JOBS)
        self._metrics.settlements.add(row.usage_source)
        return True

    def hold_again(self, row: UsageRow, rules: tuple[Rule, ...]) -> bool:
        """The row's job, which the budgets have lost; False if there is no room."""
        return self._keeper.offer(Item(Lost(row.job), row, None, rules))

    @property
    def warnings(self) -> list[str]:
        return self._appender.warnings

    @property
    def file_lines(self) -> int | None:
        """The number of lines of the file log that were read; None if this process reads none."""
        return None if self._backfill is None else self._backfill.lines

    @property
    def has_room(self) -> bool:
        """Whether the rows of new requests will find a place: in memory, or in the file log."""
        if not self._writer.crowded:
            return True
        return self._log_file is not None and has_room_beside(self._log_file)

    def _give_back(self, request: Undecided, source: str) -> bool:
        """The request never ran, so it has no row."""
        if self._undecided is not None:
            self._undecided(request.lease_id)
        if not self._deliveries.begin(request.lease_id):
            self._metrics.duplicates.add(source)
            return True
        if not self._settler.offer(LeaseName(request.tenant_id, request.lease_id)):
            return self._drop(request.lease_id, SETTLEMENTS)
        self._metrics.undecided.add()
        self._deliveries.mark((request.lease_id,), Step.WRITTEN)
        return True

    def close(self, timeout: float = 8.0) -> None:
        """Settles, writes or spools what is queued, moves the checkpoint over it, and ends every part.

        After the engine has stopped.  What is not done within `timeout` s is left to the file log."""
        deadline = time.monotonic() + timeout
        if self._backfill is not None:
            self._backfill.stop(timeout / 4)
        self._end(self._sweep.finish, self._sweeping, timeout / 4)
        self._end(self._keeper.finish, self._keeping, timeout / 4)
        self._settler.close(timeout / 4)
        self._summing.cancel()
        self._renewing.cancel()
        self._refusals.flush()
        self._end(self._writer.finish, self._writing, max(0.5, deadline - time.monotonic()))
        if self._backfill is not None:
            self._backfill.close()
        self._writer.close()

    def _end(self, finish: Callable[[], None], task: "Future[None]", timeout: float) -> None:
        async def call() -> None:
            finish()

        self._loop.run(call())
        try:
            task.result(timeout)
        except TimeoutError:
            log.error("the access log was not flushed in time", rows=self._writer.waiting)
            task.cancel()

    def _drop(self, lease_id: str, queue: str) -> bool:
        self._deliveries.forget((lease_id,))
        self._metrics.dropped.add(queue)
        return False

    def _cost_of(self, row: UsageRow) -> int:
        """In millionths of the currency, rounded up: budgets count the cost that the ledger is about to charge."""
        prices = self._prices()
        if prices is None:
            return UNKNOWN
        of_model = prices.get(row.model)
        return 0 if of_model is None else in_millionths(cost_of(row, of_model))

    def _may_sweep(self) -> bool:
        return self._sweeps and (self._backfill is None or self._backfill.caught_up)

    def _watch(self) -> None:
        watch, backfill = self._metrics.watch, self._backfill
        watch("ledger_lag_seconds", "Age of the oldest row that waits for the ledger", lambda: self._writer.lag_seconds)
        watch("rows_waiting", "Rows in memory", lambda: self._writer.waiting)
        watch("spool_rows", "Rows on disk while the ledger is away", lambda: self._spool.rows)
        watch("spool_bytes", "Size of the spool", lambda: self._spool.size)
        watch("spool_max_bytes", "Largest size that the spool may have", lambda: self._spool.max_bytes)
        watch("settlements_waiting", "Settlements that wait for the budgets", lambda: self._settler.pending)
        watch("jobs_waiting", "Entries that speak of jobs, on their way", lambda: self._keeper.pending)
        watch("lines_waiting", "Lines of the file log that are not done", lambda: backfill.waiting if backfill else 0)
