"""An answer in time: whatever hangs or fails behind a surface, the caller hears of it."""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.commands.refusals import INTERNAL, UNAVAILABLE
from admin.gate.answers import request_id_of
from admin.gate.surface import Render
from admin.metrics import AdminMetrics

# With what it takes to know who is asking.  The caller is to hear within 2 s; the time of reading its body is its own.
ANSWER_SECONDS = 1.8
SPENT_KEY = "tollkeeper.spent"  # in the ASGI scope: seconds that were needed before

log = structlog.get_logger(__name__)


class Deadline:
    """The app's answer, or ours if it fails or is late.  What is late is cancelled and cleans up on its own."""

    def __init__(self, app: ASGIApp, render: Render, metrics: AdminMetrics) -> None:
        self._app, self._render, self._metrics = app, render, metrics
        self._tasks: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = late = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            if not late:
                await send(message)

        task = asyncio.ensure_future(self._app(scope, receive, noting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task}, timeout=ANSWER_SECONDS - scope.get(SPENT_KEY, 0.0))
            if started:
                await asyncio.wait({task})
        finally:
            late = not started
            task.cancel()
        if task.done() and not task.cancelled() and (error := task.exception()):
            self._metrics.failures.add()
            log.error("request failed", path=scope["path"], request_id=request_id_of(scope), exc_info=error)
        if late:
            self._metrics.late.add(n=not task.done())
            answer = self._render(INTERNAL if task.done() else UNAVAILABLE, request_id_of(scope))
            await answer(scope, receive, send)
