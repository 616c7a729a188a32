"""The gate in front of every route, as one ASGI middleware: request id, who is calling, content type, size of the body.

Nothing of a request is read before its principal is known.  Knows no resource.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.auth import FAILURES_WINDOW_SECONDS, FailedAttempts, Principals, bearer_token
from admin.metrics import AdminMetrics
from admin.problems import INTERNAL, REQUEST_ID_KEY, UNAVAILABLE, Problem, respond
from store import postgres

MAX_BODY_BYTES = 1 << 20
# Whatever hangs behind a route, the caller hears of it within 2 s.
ANSWER_SECONDS = 1.8
BODY_SECONDS = 10.0  # a client that sends slower than this is let go
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# What a body may be called.  Curl names every body a form unless told otherwise, and the documented commands do not.
JSON_TYPES = ("", "application/json", "application/x-www-form-urlencoded")

PRINCIPAL_KEY = "tollkeeper.principal"  # where the gate leaves it in the ASGI scope

UNAUTHORIZED = Problem(
    401,
    "an admin token is needed: Authorization: Bearer <token>",
    headers={"www-authenticate": 'Bearer realm="tollkeeper"'},
)
FORBIDDEN = Problem(403, "the role of this admin token does not allow it")
TOO_MANY = Problem(
    429, "too many wrong tokens from this address", headers={"retry-after": str(FAILURES_WINDOW_SECONDS)}
)
TOO_LARGE = Problem(413, f"the body is larger than {MAX_BODY_BYTES} bytes", headers={"connection": "close"})
TOO_SLOW = Problem(408, f"the body did not arrive within {BODY_SECONDS:.0f} s", headers={"connection": "close"})
NOT_JSON = Problem(415, "the body must be application/json")

log = structlog.get_logger(__name__)


class ClientGone(Exception):
    """The client left before its body was complete; there is nobody to answer."""


class Gate:
    """Wraps an ASGI app.  `open_paths` need no principal; what is at or below `owners_only` needs an owner."""

    def __init__(
        self,
        app: ASGIApp,
        principals: Principals,
        failed: FailedAttempts,
        open_paths: frozenset[str],
        owners_only: str,
        metrics: AdminMetrics,
    ) -> None:
        self._app, self._principals, self._failed, self._open_paths = app, principals, failed, open_paths
        self._owners_only, self._metrics = owners_only, metrics
        self._tasks: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = scope[REQUEST_ID_KEY] = _request_id(headers)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answers.add(f"{message['status'] // 100}xx")
                own = MutableHeaders(scope=message)
                own["x-request-id"] = request_id
                own.setdefault("cache-control", "no-store")
            await send(message)

        loop = asyncio.get_running_loop()
        began = loop.time()
        problem = await self._refuse(scope, headers)
        seconds_left = ANSWER_SECONDS - (loop.time() - began)
        if problem is None:
            try:
                body = await asyncio.wait_for(_read(receive), BODY_SECONDS)
            except TimeoutError:
                problem = TOO_SLOW
            except ClientGone:
                return
            else:
                problem = TOO_LARGE if body is None else None
        if problem is not None:
            await respond(problem, request_id)(scope, receive, send_with_id)
            return
        _call_it_json(scope)
        await self._call(scope, _replay(body or b"", receive), send_with_id, seconds_left)

    async def _call(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        """The app's answer, or ours if it fails or is late.  What is late is cancelled and cleans up on its own."""
        started = late = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            if not late:
                await send(message)

        task = self._start(self._app(scope, receive, noting))
        try:
            await asyncio.wait({task}, timeout=seconds)
            if started:
                await asyncio.wait({task})
        finally:
            late = not started
            task.cancel()
        if task.done() and not task.cancelled() and (error := task.exception()):
            self._metrics.failures.add()
            log.error("request failed", path=scope["path"], request_id=scope[REQUEST_ID_KEY], exc_info=error)
        if late:
            self._metrics.late.add(n=not task.done())
            await respond(INTERNAL if task.done() else UNAVAILABLE, scope[REQUEST_ID_KEY])(scope, receive, send)

    def _start(self, answering: Awaitable[None]) -> "asyncio.Future[None]":
        task = asyncio.ensure_future(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _refuse(self, scope: MutableMapping[str, Any], headers: Headers) -> Problem | None:
        problem = None if scope["path"] in self._open_paths else await self._let_in(scope, headers)
        if problem is not None:
            return problem
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
            return NOT_JSON
        length = headers.get("content-length", "0")
        return TOO_LARGE if length.isdecimal() and int(length) > MAX_BODY_BYTES else None

    async def _let_in(self, scope: MutableMapping[str, Any], headers: Headers) -> Problem | None:
        """Leaves the principal in the scope; the problem when there is none."""
        address, authorization = source_of(scope), headers.get("authorization")
        if self._failed.too_many(address):
            return TOO_MANY
        try:
            principal = await self._principals.find(authorization)
        except postgres.UNAVAILABLE as error:
            log.warning("admin tokens cannot be read", error=repr(error))
            return UNAVAILABLE
        if principal is None:
            if bearer_token(authorization):
                self._failed.add(address)
                self._metrics.refused_tokens.add()
            return UNAUTHORIZED
        scope[PRINCIPAL_KEY] = principal
        return None if principal.may(scope["method"], scope["path"], self._owners_only) else FORBIDDEN


def source_of(scope: MutableMapping[str, Any]) -> str:
    """The caller's network address; "" on a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _request_id(headers: Headers) -> str:
    """The caller's own if it is harmless in a log line, else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _call_it_json(scope: MutableMapping[str, Any]) -> None:
    """FastAPI reads a body as JSON only under that name."""
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]
