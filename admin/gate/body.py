"""The body of a request: of which type, how large, how fast.  It is read here as a whole, and handed on at once."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.commands.refusals import MAX_SHOWN, Reason, Refusal
from admin.gate.answers import request_id_of
from admin.gate.surface import Render

MAX_BODY_BYTES = 1 << 20
EXACT_DIGITS = 15  # and a decimal point: a double keeps that many
BODY_SECONDS = 10.0  # a client that sends slower than this is let go
# What a body may be called.  Curl names every body a form unless told otherwise, and the documented commands do not.
JSON_TYPES = ("", "application/json", "application/x-www-form-urlencoded")

NOT_JSON = Refusal(Reason.WRONG_TYPE, "the body must be application/json")
TOO_LARGE = Refusal(Reason.TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES} bytes")
TOO_SLOW = Refusal(Reason.TOO_SLOW, f"the body did not arrive within {BODY_SECONDS:.0f} s")


class ClientGone(Exception):
    """The client left before its body was complete; there is nobody to answer."""


class JsonBody:
    """Lets bodies through that may be JSON."""

    def __init__(self, app: ASGIApp, render: Render) -> None:
        self._app, self._render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = _refusal(Headers(scope=scope)) or await _read(receive)
            body = body if isinstance(body, Refusal) else _ambiguous(body) or body
        except ClientGone:
            return
        if isinstance(body, Refusal):
            answer = self._render(body, request_id_of(scope))
            if body in (TOO_LARGE, TOO_SLOW):  # the rest of it is still on its way
                answer.headers["connection"] = "close"
            await answer(scope, receive, send)
            return
        _call_it_json(scope)
        await self._app(scope, _replay(body, receive), send)


def _refusal(headers: Headers) -> Refusal | None:
    """What the request's headers already rule out."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() not in JSON_TYPES:
        return NOT_JSON
    length = headers.get("content-length", "0")
    return TOO_LARGE if length.isdecimal() and int(length) > MAX_BODY_BYTES else None


async def _read(receive: Receive) -> bytes | Refusal:
    """The whole body."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > MAX_BODY_BYTES:
                    return TOO_LARGE
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        return TOO_SLOW


class _Ambiguous(ValueError):
    """What readers of JSON do not agree on; the text says what."""


def _ambiguous(body: bytes) -> Refusal | None:
    """A name that is twice in an object, or a number that would be rounded.  Invalid JSON is left to the surface."""
    try:
        json.loads(body, object_pairs_hook=_once, parse_float=_exact)
    except _Ambiguous as error:
        return Refusal(Reason.MALFORMED, str(error))
    except (ValueError, RecursionError):
        pass
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _Ambiguous(f"the body has {twice[:MAX_SHOWN]!r} twice in one object")
    return found


def _exact(text: str) -> float:
    number = float(text)
    if len(text) > EXACT_DIGITS + 1 and math.isfinite(number):
        raise _Ambiguous(f"the number {text[:MAX_SHOWN]} has too many digits; write it as text")
    return number


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
    """FastAPI parses a body as JSON only if it is declared so."""
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"content-type"]
    scope["headers"] = [*others, (b"content-type", b"application/json")]
