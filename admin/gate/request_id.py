"""The request's id, and what else the middlewares leave for each other and for the surface in the ASGI scope."""

import re
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.access.permission import Principal

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
REQUEST_ID_KEY, PRINCIPAL_KEY = "tollkeeper.request_id", "tollkeeper.principal"


class RequestIds:
    """Gives each request an id, and shows it in the answer: the caller's own if it is harmless in a log line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = scope[REQUEST_ID_KEY] = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())

        async def shown(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, shown)


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    found: str = scope[REQUEST_ID_KEY]
    return found


def principal_of(scope: MutableMapping[str, Any]) -> Principal:
    found: Principal = scope[PRINCIPAL_KEY]
    return found


def source_of(scope: MutableMapping[str, Any]) -> str:
    """The caller's network address; "" on a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""
