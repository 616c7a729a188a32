"""Accounts for entries about jobs, in the budgets and the ledger: one task on the background loop.

They are few, so each is a call of its own.  The job's row is queued ahead of the row of the request that read it, so
that the latter's entry is done only when both are safe; until then the file log brings it again, with the same result.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

import structlog
from msgspec.structs import replace

from accesslog.delivery import Deliveries, Step
from accesslog.jobs.notes import dump_read, dump_row, load_read, load_row
from accesslog.jobs.seen import Begun, Lost, Read
from accesslog.metrics import JOBS, AccessLogMetrics
from accesslog.row import with_usage
from ledger.row import UsageRow, UsageSource, clean
from ratelimit.budgets.jobs import Hold, Jobs, Known, Report
from ratelimit.budgets.port import BudgetsUnavailable, Settlement
from ratelimit.budgets.rule import MOST_COST, Rule, Used
from tenancy.values.lease_id import lease_ms

log = structlog.get_logger(__name__)

T = TypeVar("T")

MAX_PENDING = 10_000
RETRY_SECONDS = 1.0
ROOM_SECONDS = 60.0  # how long to wait for room in the queues behind this one


class Item(NamedTuple):
    """One entry: what it says about a job; and its own row and settlement, in case the job is not held.  `rules`: for a
    request without a lease, or whose lease is lost."""

    seen: Begun | Lost | Read
    row: UsageRow
    settlement: Settlement | None
    rules: tuple[Rule, ...] = ()


class JobKeeper:
    """`write` takes a row and `settle` a settlement, or returns False without room; `cost_of` is a row's, as budgets
    count it.  `offer` from any thread; the rest on the loop that runs `run`."""

    def __init__(
        self,
        jobs: Jobs,
        write: Callable[[UsageRow], bool],
        settle: Callable[[Settlement], bool],
        cost_of: Callable[[UsageRow], int],
        deliveries: Deliveries,
        metrics: AccessLogMetrics,
    ) -> None:
        self._jobs, self._write, self._settle = jobs, write, settle
        self._cost_of = cost_of
        self._deliveries, self._metrics = deliveries, metrics
        self._items: deque[Item] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()
        self._closing = False

    @property
    def pending(self) -> int:
        return len(self._items)

    def offer(self, item: Item) -> bool:
        """Queues it; False if there is no room."""
        if len(self._items) >= MAX_PENDING:
            return False
        self._items.append(item)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ready.set)
        return True

    async def run(self) -> None:
        """Until `finish`."""
        self._loop = asyncio.get_running_loop()
        while not (self._closing and not self._items):
            if not self._items:
                self._ready.clear()
                if not self._items and not self._closing:
                    await self._ready.wait()
                continue
            item = self._items.popleft()
            try:
                done = await self._handle(item)
            except Exception as error:
                self._metrics.failures.add()
                log.error("a job could not be accounted for", lease_id=item.row.id, exc_info=error)
                done = False
            if not done:
                self._metrics.dropped.add(JOBS)
                self._deliveries.forget((item.row.id,))

    def finish(self) -> None:
        """Ends `run` once what is queued is done, or left to the file log because Redis is away.  On the loop."""
        self._closing = True
        self._ready.set()

    async def _handle(self, item: Item) -> bool:
        if isinstance(item.seen, Begun):
            return await self._begin(item, item.seen)
        if isinstance(item.seen, Lost):
            return await self._hold_again(item, item.seen)
        return await self._charge(item.row.tenant_id, item.seen, item.row.id) and await self._end_own(item)

    async def _begin(self, item: Item, begun: Begun) -> bool:
        row = item.row._replace(usage_source=UsageSource.RESERVED, job=clean(begun.name))
        hold = Hold(row.tenant_id, begun.name, row.id, dump_row(row), self._used(row), item.rules)
        found, early = await self._ask(lambda: self._jobs.hold(hold))
        if not found:
            return False
        if early is None:
            self._metrics.jobs.add("not_held")
            return await self._end_own(item)
        self._metrics.jobs.add("held")
        if not await self._write_row(row):
            return False
        self._deliveries.mark((row.id,), Step.SETTLED)
        read = load_read(early) if early else None
        return read is None or await self._charge(row.tenant_id, *read)

    async def _hold_again(self, item: Item, lost: Lost) -> bool:
        """Holds a job whose reservation is back in the budgets, restored from the row."""
        row = item.row
        at_ms = lease_ms(row.id)
        hold = Hold(row.tenant_id, lost.name, row.id, dump_row(row), self._used(row), item.rules, at_ms)
        found, early = await self._ask(lambda: self._jobs.hold(hold))
        self._metrics.jobs.add("not_held" if early is None else "held_again", found)
        read = load_read(early) if early else None
        return found and (read is None or await self._charge(row.tenant_id, *read))

    async def _charge(self, tenant_id: str, read: Read, by: str) -> bool:
        """Charges the job, and completes its row."""
        answered, job = await self._ask(lambda: self._jobs.find(tenant_id, read.name, read.other_name))
        if not answered:
            return False
        if read.known is Known.NAMED:
            early = load_read(job.early) if job and job.early else None
            return early is None or await self._charge(tenant_id, *early)
        usage = read.usage
        if read.known is not Known.OVER:
            usage = replace(usage, source=UsageSource.RESERVED)  # more may come: then this row gives way
        row = load_row(job.notes) if job else None
        row = row and with_usage(row, usage, read.model)
        report = Report(
            tenant_id, read.name, by, read.known, self._used(row) if row else usage.used(), dump_read(read, by)
        )
        answered, changed = await self._ask(lambda: self._jobs.report(report))
        if not answered or changed is None or row is None:
            return answered
        self._metrics.jobs.add("over" if read.known is Known.OVER else "more")
        return await self._write_row(row)

    def _used(self, row: UsageRow) -> Used:
        """At the prices of this moment, as the ledger is about to charge it."""
        tokens = row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens
        return Used(*tokens, min(self._cost_of(row), MOST_COST))

    async def _end_own(self, item: Item) -> bool:
        """Accounts for the entry's own request like any other."""
        if not await self._write_row(item.row):
            return False
        if item.settlement is None:
            self._deliveries.mark((item.row.id,), Step.SETTLED)
            return True
        settlement = item.settlement
        return await self._until_taken(lambda: self._settle(settlement))

    async def _write_row(self, row: UsageRow) -> bool:
        return await self._until_taken(lambda: self._write(row))

    async def _ask(self, call: Callable[[], T | None]) -> tuple[bool, T | None]:
        """What the budgets answer; (False, None) if they do not answer before this has to end."""
        while True:
            try:
                return True, await asyncio.to_thread(call)
            except BudgetsUnavailable:
                self._metrics.settle_errors.add()
            if self._closing:
                return False, None
            self._ready.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._ready.wait()

    async def _until_taken(self, offer: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + ROOM_SECONDS
        while not offer():
            if self._closing or time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.1)
        return True
