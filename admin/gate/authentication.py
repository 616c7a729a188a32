"""Who is asking: leaves the principal in the scope, or answers that nobody is let in."""

import asyncio

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.access.permission import Principal
from admin.commands.refusals import UNAVAILABLE, Reason, Refusal
from admin.commands.session import FORBIDDEN
from admin.gate.answers import PRINCIPAL_KEY, request_id_of
from admin.gate.credentials import Authentication
from admin.gate.deadline import SPENT_KEY
from admin.gate.surface import Surface
from store import postgres

log = structlog.get_logger(__name__)


class Authenticated:
    """Lets through who may do at all what the method and the path ask for."""

    def __init__(self, app: ASGIApp, surface: Surface, authentication: Authentication) -> None:
        self._app, self._surface, self._authentication = app, surface, authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = await self._find(scope)
        if isinstance(found, Principal):
            scope[PRINCIPAL_KEY], scope[SPENT_KEY] = found, loop.time() - began
            await self._app(scope, receive, send)
            return
        answer = self._surface.render(found, request_id_of(scope))
        if found.reason in (Reason.NO_CREDENTIAL, Reason.WRONG_CREDENTIAL):
            answer.headers["www-authenticate"] = self._authentication.challenge
        await answer(scope, receive, send)

    async def _find(self, scope: Scope) -> Principal | Refusal:
        try:
            found = await self._authentication.principal(HTTPConnection(scope))
        except postgres.UNAVAILABLE as error:
            log.warning("admin tokens cannot be read", error=repr(error))
            return UNAVAILABLE
        if isinstance(found, Principal) and not found.may(*self._surface.asks(scope["method"], scope["path"])):
            return FORBIDDEN
        return found
