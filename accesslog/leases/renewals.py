"""Renews the leases of requests that still run, whenever Envoy reports them.

So a lease need not last as long as the longest answer.  A renewal that is lost costs nothing if the next one comes
before the lease expires.
"""

import asyncio

import structlog

from accesslog.metrics import AccessLogMetrics
from ratelimit.budgets.port import Budgets, BudgetsUnavailable, LeaseName

log = structlog.get_logger(__name__)

RENEW_SECONDS = 1.0
BATCH = 100  # less than a millisecond of Redis
MOST = 100_000


class Renewals:
    """`add` is thread-safe.  A request that has ended in the meantime is not revived."""

    def __init__(self, budgets: Budgets, metrics: AccessLogMetrics) -> None:
        self._budgets, self._metrics = budgets, metrics
        self._waiting: dict[LeaseName, None] = {}

    def add(self, name: LeaseName) -> None:
        if len(self._waiting) < MOST:
            self._waiting[name] = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew()
            except BudgetsUnavailable:
                self._metrics.settle_errors.add()
            except Exception as error:
                self._metrics.failures.add()
                log.error("leases could not be renewed", exc_info=error)

    async def _renew(self) -> None:
        waiting, self._waiting = self._waiting, {}
        names = list(waiting)
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            await asyncio.to_thread(self._budgets.renew, batch)
            self._metrics.renewed.add(n=len(batch))
