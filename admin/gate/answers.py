"""What holds for every answer: it is counted, and not stored by caches unless it says that it may be."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.metrics import AdminMetrics


class Answers:
    """Counts by class of status."""

    def __init__(self, app: ASGIApp, metrics: AdminMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answers.add(f"{message['status'] // 100}xx")
                MutableHeaders(scope=message).setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, counted)
