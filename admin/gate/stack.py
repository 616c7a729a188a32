"""Puts surfaces behind their middlewares.  The order is in __init__.py."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from admin.gate.answers import Answers
from admin.gate.authentication import Authenticated, FailedAttempts, SigningIn, Throttled
from admin.gate.body import JsonBody
from admin.gate.deadline import Deadline
from admin.gate.query import Query
from admin.gate.surface import Surface
from admin.metrics import AdminMetrics


def gated(surfaces: Sequence[Surface], metrics: AdminMetrics) -> ASGIApp:
    """Paths that are under no surface's prefix belong to the first one.  Wrong credentials count together.

    ValueError if two surfaces have the same prefix."""
    failed = FailedAttempts()
    apps: dict[str, ASGIApp] = {}
    for surface in surfaces:
        behind = _behind(surface, failed, metrics)
        for prefix in surface.prefixes:
            if apps.setdefault(prefix, behind) is not behind:
                raise ValueError(f"two surfaces at {prefix}")
    http = Answers(ByPrefix(apps), metrics)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (http if scope["type"] == "http" else WebSocketClose())(scope, receive, send)

    return app


def _behind(surface: Surface, failed: FailedAttempts, metrics: AdminMetrics) -> ASGIApp:
    everybody = Query(JsonBody(Deadline(surface.app, surface.render, metrics), surface.render), surface.render)
    anybody = SigningIn(everybody, surface, failed, metrics)
    known = Authenticated(everybody, surface, Throttled(surface.authentication, failed, metrics))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (anybody if scope["path"] in surface.open_paths else known)(scope, receive, send)

    return app


class ByPrefix:
    """Hands each request to the app with the longest prefix of its path, else to the first."""

    def __init__(self, apps: dict[str, ASGIApp]) -> None:
        self._apps, (self._first, *_) = apps, apps.values()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{scope['path']}/"
        found = max((prefix for prefix in self._apps if path.startswith(f"{prefix}/")), key=len, default=None)
        app = self._first if found is None else self._apps[found]
        await app(scope, receive, send)
