"""Getting committed changes from the outbox in Postgres to Redis and the sidecars: after each change, and every second.

A change never fails because Redis is away: its outbox row stays, and the next process that applies the outbox heals it.
"""

import asyncio
from typing import TYPE_CHECKING

import structlog

from admin.metrics import AdminMetrics
from store.postgres import PostgresPool, reading
from tenancy.outbox import UNAVAILABLE, apply_outbox

if TYPE_CHECKING:
    from redis import asyncio as aio

    RedisClient = aio.Redis | aio.RedisCluster

# A change answers within 2 s even when Redis hangs.
PUSH_SECONDS = 0.6
INTERVAL_SECONDS = 1.0
BUSY_SECONDS = 0.02
# The reconciler has nobody waiting.
RECONCILE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class PostgresPropagation:
    """Implements admin.commands.ports.Propagation: applies the outbox."""

    def __init__(self, pool: PostgresPool, redis: "RedisClient", metrics: AdminMetrics) -> None:
        self._pool, self._redis, self._metrics = pool, redis, metrics

    async def push(self) -> bool:
        """True if Redis and the sidecars now know of everything committed so far."""
        try:
            async with asyncio.timeout(PUSH_SECONDS):
                newest = await self._newest()
                while newest is not None and await self._waiting(newest):
                    # Rows that another process is just applying are passed over: wait for it, in case it fails.
                    if not await apply_outbox(self._pool, self._redis):
                        await asyncio.sleep(BUSY_SECONDS)
        except UNAVAILABLE as error:
            self._metrics.pending.add()
            log.warning("propagation pending", error=f"{type(error).__name__}: {error}")
            return False
        return True

    async def _newest(self) -> int | None:
        async with reading(self._pool) as connection:
            newest: int | None = await connection.fetchval("SELECT max(id) FROM redis_outbox")
        return newest

    async def _waiting(self, newest: int) -> bool:
        async with reading(self._pool) as connection:
            waiting: bool = await connection.fetchval(
                "SELECT EXISTS (SELECT 1 FROM redis_outbox WHERE id <= $1)", newest
            )
        return waiting

    async def reconcile(self) -> None:
        """Applies what is left over, for ever: rows whose push failed or whose process was killed."""
        failing = False
        while True:
            try:
                async with asyncio.timeout(RECONCILE_SECONDS):
                    await apply_outbox(self._pool, self._redis)
                failing = False
            except Exception as error:  # noqa: BLE001 - top of a background task: counted, logged once an outage
                self._metrics.outbox_errors.add()
                if not failing:
                    log.warning("outbox not applied", error=f"{type(error).__name__}: {error}")
                failing = True
            await asyncio.sleep(INTERVAL_SECONDS)
