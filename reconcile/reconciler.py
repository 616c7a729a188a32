"""Watches the store of budgets: restores one that was lost, mends what comes late after that, audits it now and then.

Every sidecar has one; a key in the store itself says whose turn it is.  Until a lost store is restored, requests get
the failure mode (ratelimit/commit/): reservations look for the epoch themselves.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from ledger.ledger import LedgerUnavailable
from ledger.sums import NotSummedYet
from ratelimit.budgets.port import BudgetsUnavailable
from reconcile.books import Books, Drift, tenants_low
from reconcile.lost_jobs import LostJobs
from reconcile.metrics import BEYOND, EVICTS, FORGETS, MISSING, ReconcileMetrics
from store import postgres, redis
from store.durability import Durability

log = structlog.get_logger(__name__)

KEEP_SECONDS = 3.0
ALWAYS = 0  # the epoch of a store that lost nothing: earlier requests are charged as usual
TROUBLE: tuple[type[Exception], ...] = (
    BudgetsUnavailable, LedgerUnavailable, NotSummedYet, *postgres.UNAVAILABLE, *redis.UNAVAILABLE
)  # fmt: skip


class Epoch(Protocol):
    """See ratelimit.budgets.restoring_redis.RedisRestoring."""

    async def whole_since(self) -> int | None: ...
    async def predates_epochs(self) -> bool: ...
    async def now_ms(self) -> int: ...
    async def take_turn(self, who: str) -> bool: ...
    async def keep_turn(self, who: str) -> bool: ...
    async def leave_turn(self, who: str) -> None: ...
    async def declare_whole(self, who: str, now_ms: int) -> bool: ...


class Pace(NamedTuple):
    """Seconds: between looks at the epoch, between audits that mend while rows from before a loss may still come
    (`late` long), and between audits at all other times."""

    look: float = 0.5
    mend: float = 5.0
    audit: float = 60.0
    late: float = 1800.0


class Reconciler:
    """`run` for ever, on one loop.  `durability` asks the store what it keeps."""

    def __init__(
        self,
        books: Books,
        epoch: Epoch,
        durability: Callable[[], Awaitable[Durability]],
        metrics: ReconcileMetrics,
        pace: Pace = Pace(),  # noqa: B008 - a value
        jobs: LostJobs | None = None,
    ) -> None:
        self._books, self._epoch, self._durability, self._jobs = books, epoch, durability, jobs
        self._metrics, self._pace, self._who = metrics, pace, secrets.token_hex(8)
        self._looked, self._trouble = False, ""
        self._evicted: int | None = None
        self._audit_at = self._durability_at = 0.0
        self._before: dict[str, Drift] = {}
        self.lost = True  # until the store was seen, or cannot be reached
        self.warnings: tuple[str, ...] = ()
        metrics.watch("lost", "1 while the store has lost its budgets", lambda: float(self.lost))

    async def run(self) -> None:
        while True:
            try:
                await self._round()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - the top of a background task
                self._report(error)
            self._looked = True
            await asyncio.sleep(self._pace.look)

    async def _round(self) -> None:
        try:
            since = await self._epoch.whole_since()
        except BudgetsUnavailable:
            self.lost = self.lost and self._looked  # at the start: the failure mode decides, and is ready
            raise
        if since is None:
            self.lost = True
            await self._in_turn(self._restore)
            return
        self.lost = False
        await self._look_at_durability()
        late = await self._epoch.now_ms() - since < self._pace.late * 1000
        if time.monotonic() >= self._audit_at:
            self._audit_at = time.monotonic() + (self._pace.mend if late else self._pace.audit)
            await self._in_turn(partial(self._mend, since) if late else self._audit)

    async def _in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        if not await self._epoch.take_turn(self._who):
            return
        keeping = asyncio.create_task(self._keep_turn(), name="keeps its turn")
        try:
            await work()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._epoch.leave_turn(self._who)

    async def _keep_turn(self) -> None:
        await asyncio.sleep(KEEP_SECONDS)
        while await self._epoch.keep_turn(self._who):  # noqa: ASYNC110 - nothing signals that time has passed
            await asyncio.sleep(KEEP_SECONDS)

    async def _restore(self) -> None:
        began = time.monotonic()
        if await self._epoch.predates_epochs():
            if await self._epoch.declare_whole(self._who, ALWAYS):
                log.info("the store has budgets of a version without epochs: they stay as they are")
            return
        log.warning("the store has no epoch: its budgets are restored from the ledger")
        since, raised = await self._epoch.now_ms(), await self._books.raise_all()
        if not await self._epoch.declare_whole(self._who, since):
            log.warning("the store was lost again while its budgets were restored")
            return
        self.lost = False
        self._metrics.restored.add()
        log.info("budgets are restored", charged=raised, seconds=round(time.monotonic() - began, 3))

    async def _mend(self, since: int) -> None:
        """What was in flight when the store was lost, or on its way into the ledger, is charged when its row comes."""
        if self._jobs is not None and (held := await self._jobs.hold(since)):
            log.info("jobs that the store had forgotten are held again", jobs=held)
        mended = await self._books.mend(self._before.values())
        await self._audit()
        if mended:
            self._metrics.mended.add(n=len(mended))
            log.info("budgets were charged with what only the ledger had", budgets=len(mended))

    async def _audit(self) -> None:
        audited = await self._books.audit()
        self._metrics.low = tenants_low(audited)
        drifts = {drift.account.rule.key: drift for drift in audited}
        before = self._before
        missing = [drift for key, drift in drifts.items() if drift.missing and key in before and before[key].missing]
        beyond = [drift for key, drift in drifts.items() if drift.beyond and key in before and before[key].beyond]
        if missing and not self._metrics.drift[MISSING]:
            first = missing[0]
            log.warning(
                "budgets count less than the ledger has; see `tollkeeper budget audit`",
                budgets=len(missing), most=first.missing, budget=first.account.rule.key,
            )  # fmt: skip
        self._metrics.drift = {MISSING: float(len(missing)), BEYOND: float(len(beyond))}
        self._metrics.audits.add()
        self._before = {key: drift for key, drift in drifts.items() if drift.missing or drift.beyond}

    async def _look_at_durability(self) -> None:
        if time.monotonic() < self._durability_at:
            return
        self._durability_at = time.monotonic() + self._pace.audit
        found = await self._durability()
        if self._evicted is not None:  # what was evicted earlier is another process's to report
            self._metrics.evictions.add(n=max(0, found.evicted - self._evicted))
        self._evicted = found.evicted
        self._metrics.risks = {EVICTS: float(bool(found.evicts)), FORGETS: float(bool(found.forgets))}
        if found.warnings != self.warnings and found.warnings:
            log.warning("redis may lose budgets; until they are restored requests get the failure mode",
                        risks=found.warnings)  # fmt: skip
        self.warnings = found.warnings

    def _report(self, error: Exception) -> None:
        """Counts every time, logs the first of a series; with its traceback if it is a bug of ours."""
        self._metrics.failures.add()
        reason = f"{type(error).__name__}: {error}"
        if reason != self._trouble:
            self._trouble = reason
            bug = None if isinstance(error, TROUBLE) else error
            log.warning("budgets cannot be reconciled now", reason=reason, exc_info=bug)
