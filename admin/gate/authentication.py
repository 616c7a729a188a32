"""Who is asking: by which credential, not by guessing, and whether they may at all.

Other schemes than bearer tokens are with the surfaces that take them.
"""

import asyncio
from dataclasses import replace

import structlog
from cachetools import TTLCache
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.access.permission import Principal
from admin.access.principals import Principals
from admin.commands.refusals import UNAVAILABLE, Reason, Refusal
from admin.commands.session import FORBIDDEN
from admin.gate.answers import PRINCIPAL_KEY, request_id_of, source_of
from admin.gate.deadline import SPENT_KEY
from admin.gate.surface import Authentication, Surface
from admin.metrics import AdminMetrics
from store import postgres

NEEDED = "an admin token is needed: Authorization: {} <token>"
# Few enough that a badly chosen token is not guessed, enough that one misconfigured client does not shut out the others
# behind its address.
FAILURES_ALLOWED = 100
FAILURES_WINDOW_SECONDS = 60
ADDRESSES_REMEMBERED = 10_000

TOO_MANY = Refusal(Reason.THROTTLED, "too many wrong tokens from this address", retry_seconds=FAILURES_WINDOW_SECONDS)

log = structlog.get_logger(__name__)


class Bearer:
    """An Authentication: `Authorization: <scheme> <admin token>`, by the scheme Bearer or by another name."""

    def __init__(self, principals: Principals, scheme: str = "Bearer") -> None:
        self._principals, self._scheme = principals, scheme
        self.challenge = f'{scheme} realm="tollkeeper"'

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        needed = NEEDED.format(self._scheme)
        token = token_in(request.headers.get("authorization"), self._scheme)
        if token is None:
            return Refusal(Reason.NO_CREDENTIAL, needed)
        return await self._principals.find(token) or Refusal(Reason.WRONG_CREDENTIAL, needed)


def token_in(authorization: str | None, scheme: str = "Bearer") -> str | None:
    """The token in `<scheme> <token>`, whatever the scheme's case; None for anything else."""
    given, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if given.lower() == scheme.lower() and token else None


class FailedAttempts:
    """Counts wrong credentials by address; bounded in addresses and in time."""

    def __init__(self, allowed: int = FAILURES_ALLOWED, window_seconds: float = FAILURES_WINDOW_SECONDS) -> None:
        self._allowed = allowed
        self._failures: TTLCache[str, int] = TTLCache(ADDRESSES_REMEMBERED, window_seconds)

    def too_many(self, address: str) -> bool:
        return self._failures.get(address, 0) >= self._allowed

    def add(self, address: str) -> None:
        self._failures[address] = self._failures.get(address, 0) + 1


class Throttled:
    """An Authentication that turns away addresses with too many wrong credentials.  A missing one is not a guess."""

    def __init__(self, inner: Authentication, failed: FailedAttempts, metrics: AdminMetrics) -> None:
        self._inner, self._failed, self._metrics = inner, failed, metrics
        self.challenge = inner.challenge

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        address = source_of(request.scope)
        if self._failed.too_many(address):
            return TOO_MANY
        found = await self._inner.principal(request)
        if isinstance(found, Refusal) and found.reason is Reason.WRONG_CREDENTIAL:
            self._failed.add(address)
            self._metrics.refused_tokens.add()
        return found


class Authenticated:
    """The middleware: leaves the principal in the scope, if it may do at all what the method and the path ask for."""

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
        if isinstance(found, Refusal):
            return found
        action, resource = self._surface.asks(scope["method"], scope["path"])
        # Whose the resource is, commands find out.
        may = found.may(action, replace(resource, organization=found.organization))
        return found if may else FORBIDDEN
