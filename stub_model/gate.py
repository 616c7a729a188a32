"""What stands in front of the stub model's routes: recording, capacity, injected failures, the delay.

An ASGI wrapper, because it must see every request, and must let go of its place when the client is gone.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stub_model.options import Reply, StubOptions, for_request
from stub_model.problems import Problem, body_of

RECORDED_BYTES = 65_536  # of each body; `body_bytes` has the whole size


class Gate:
    """Lets requests through to `app` with their body and their options in `scope["state"]`."""

    def __init__(self, app: ASGIApp, options: StubOptions) -> None:
        self.app = app
        self.options = options
        self.requests: deque[dict[str, Any]] = deque(maxlen=options.recorded)
        self._places = asyncio.Semaphore(options.capacity) if options.capacity else None
        self._failures = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/stub/"):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.requests.append(_record(scope, headers, body))
        try:
            reply = for_request(self.options, dict(headers))
            await self._enter(reply)
        except ValueError as error:
            await _refuse(scope, send, Problem(400, str(error)))
        except Problem as problem:
            await _refuse(scope, send, problem)
        else:
            await self._through(scope, receive, send, reply.options, body)

    async def _enter(self, reply: Reply) -> None:
        """Takes a place, or raises Problem."""
        self._failures += self.options.failure_rate
        failing = self._failures >= 1
        if failing:
            self._failures -= 1
        if reply.status is not None or failing:
            raise Problem(reply.status or self.options.failure_status, "The stub model was told to fail")
        if self._places is None:
            return
        if self._places.locked() and self.options.over_capacity == "refuse":
            raise Problem(503, "The stub model is at capacity", code="over_capacity")
        await self._places.acquire()

    async def _through(self, scope: Scope, receive: Receive, send: Send, options: StubOptions, body: bytes) -> None:
        try:
            await asyncio.sleep(options.delay_ms / 1000)
            scope["state"] = {**scope.get("state", {}), "options": options, "body": body}
            await self.app(scope, _replay(body, receive), send)
        finally:
            if self._places is not None:
                self._places.release()


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    first = [True]

    async def replay() -> Message:
        if first.pop() if first else False:
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _record(scope: Mapping[str, Any], headers: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    query = scope["query_string"].decode("latin-1")
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return {
        "method": scope["method"],
        "path": f"{path}?{query}" if query else path,
        "headers": dict(headers),
        "header_list": headers,
        "body": body[:RECORDED_BYTES].decode("utf-8", "replace"),
        "body_bytes": len(body),
    }


async def _refuse(scope: Scope, send: Send, problem: Problem) -> None:
    content = json.dumps(body_of(problem, scope["path"])).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
