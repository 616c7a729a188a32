"""The task that sends queued deliveries, and decides what happens after a failure."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import groupby

import structlog

from admin.metrics import AdminMetrics
from admin.webhooks.sending import Sender
from store.postgres import UNAVAILABLE
from tenancy.postgres.webhooks.queue import Outcome, Taken, WebhookQueue

# Delays after failed attempts; there is none after the last: two days in all, for somebody who is off for the weekend.
DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0, 24 * 3600.0)
JITTER = 0.2  # of a delay, that comes on top
INTERVAL_SECONDS = 1.0
OF_EACH = 4  # deliveries to one webhook at a time, of one process
MOST = 64  # to all of them together
COUNT_SECONDS, SWEEP_SECONDS = 15.0, 600.0

log = structlog.get_logger(__name__)


class Deliverer:
    """Sends until cancelled.  What it was sending then is sent again by the process that takes it next."""

    def __init__(
        self, queue: WebhookQueue, sender: Sender, metrics: AdminMetrics, delays: Sequence[float] = DELAYS
    ) -> None:
        self._queue, self._sender, self._metrics, self._delays = queue, sender, metrics, delays
        self._in_flight: dict[str, int] = {}  # by webhook
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    async def run(self) -> None:
        failing = False
        try:
            async with asyncio.TaskGroup() as besides:
                besides.create_task(self._keep(COUNT_SECONDS, self._count))
                besides.create_task(self._keep(SWEEP_SECONDS, self._queue.sweep))
                while True:
                    try:
                        taken = await self._take()
                        failing = False
                    except UNAVAILABLE as error:
                        if not failing:  # once an outage
                            log.warning("webhooks wait for the database", reason=repr(error))
                        taken, failing = [], True
                    if not taken:
                        await self._pause()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._sender.aclose()

    async def _pause(self) -> None:
        """Waits until it is time to look, or until a webhook is no longer busy."""
        self._room.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_SECONDS):
                await self._room.wait()

    async def _take(self) -> Sequence[Taken]:
        """Begins to send what is due.  A webhook gets no more until all that was taken for it has ended."""
        free = MOST - sum(self._in_flight.values())
        if free <= 0:
            return []
        taken = await self._queue.take(free, OF_EACH, [*self._in_flight])
        for webhook_id, group in groupby(taken, lambda each: each.webhook_id):
            deliveries = [*group]
            self._in_flight[webhook_id] = len(deliveries)
            task = asyncio.create_task(self._send_all(webhook_id, deliveries), name="webhook")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return taken

    async def _send_all(self, webhook_id: str, deliveries: Sequence[Taken]) -> None:
        try:
            await asyncio.gather(*map(self._deliver, deliveries))
        finally:
            del self._in_flight[webhook_id]
            self._room.set()

    async def _deliver(self, taken: Taken) -> None:
        try:
            outcome = await self._sender.send(taken)
            await self._say(taken, outcome)
        except UNAVAILABLE as error:  # the delivery comes again when it is due
            log.warning("what became of a webhook could not be written", event_id=taken.event_id, reason=repr(error))
        except Exception:  # the top of a background task
            log.exception("webhook failed", webhook=taken.webhook_id, event_id=taken.event_id)

    async def _say(self, taken: Taken, outcome: Outcome) -> None:
        if not outcome.error:
            self._metrics.webhooks.add("delivered")
            await self._queue.delivered(taken, outcome)
        elif not outcome.gone and taken.attempts <= len(self._delays):
            self._metrics.webhooks.add("again")
            delay = self._delays[taken.attempts - 1] * (1 + JITTER * random.random())  # noqa: S311 - no secret
            await self._queue.later(taken, outcome, max(delay, outcome.wait_seconds))
        else:
            self._metrics.webhooks.add("failed")
            because = "the receiver says 410 Gone: it wants no more"
            if not outcome.gone:
                because = f"nothing came through in {taken.attempts} attempts; at last: {outcome.error}"
            if (name := await self._queue.failed(taken, outcome, because)) is not None:
                log.warning("webhook disabled", webhook=taken.webhook_id, name=name, reason=because)

    async def _count(self) -> None:
        self._metrics.webhook_counts = await self._queue.counts()

    @staticmethod
    async def _keep(seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await do()
            except UNAVAILABLE as error:
                log.info("webhooks could not be looked at", reason=repr(error))
            await asyncio.sleep(seconds)
