"""The headers of every answer, its count, and what middlewares leave in the scope for each other and for the
surface."""

import re
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.access.permission import Principal
from admin.commands.ports import Ports
from admin.commands.session import Done, Session
from admin.metrics import AdminMetrics
from tenancy.directory.change_request import ChangeRequest

PROPAGATION_HEADER = "tollkeeper-propagation"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
REQUEST_ID_KEY, PRINCIPAL_KEY = "tollkeeper.request_id", "tollkeeper.principal"


class Answers:
    """Gives each request an id and shows it: the caller's own if it is harmless in a log line.  Keeps caches from
    storing an answer that does not say that it may be stored.  Counts by class of status."""

    def __init__(self, app: ASGIApp, metrics: AdminMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = scope[REQUEST_ID_KEY] = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answers.add(f"{message['status'] // 100}xx")
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, marked)


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    found: str = scope[REQUEST_ID_KEY]
    return found


def session_of(scope: MutableMapping[str, Any], ports: Ports, **terms: Any) -> Session:
    """The session for the commands of this request; `terms` are those of a ChangeRequest."""
    principal: Principal = scope[PRINCIPAL_KEY]
    by = ChangeRequest(principal.name, source_of(scope), request_id_of(scope), **terms)
    return Session(ports, principal, by)


def propagation_of(done: Done[Any]) -> dict[str, str]:
    """The header that says whether every sidecar knows of a change, or will as soon as Redis is back."""
    return {PROPAGATION_HEADER: "done" if done.told else "pending"}


def source_of(scope: MutableMapping[str, Any]) -> str:
    """The caller's network address; "" on a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""
