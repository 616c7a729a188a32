"""Who is asking: the credential, slowing guesses down, and whether the caller may make the request at all.

Schemes other than bearer tokens are with the surfaces that take them.
"""

import asyncio
from dataclasses import replace
from urllib.parse import urlencode

import structlog
from cachetools import TTLCache
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin.access.attempts import network_of
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
WRONG = "this admin token is not known, or not any more"
FAILURES_ALLOWED = 100
FAILURES_WINDOW_SECONDS = 60
ADDRESSES_REMEMBERED = 10_000
SLOW_SECONDS = 1.0
MAX_SLOWED = 100  # at the same time; more are refused at once

TOO_MANY = Refusal(Reason.THROTTLED, "too many wrong tokens from this address", retry_seconds=FAILURES_WINDOW_SECONDS)

log = structlog.get_logger(__name__)


class Bearer:
    """An Authentication: `Authorization: <scheme> <admin token>`, by the scheme Bearer or by another name.

    `needed` and `wrong` are what it says without a token, and to one that it does not know."""

    def __init__(
        self, principals: Principals, scheme: str = "Bearer", needed: str = NEEDED, wrong: str = WRONG
    ) -> None:
        self._principals, self._scheme = principals, scheme
        self._needed, self._wrong = needed.format(scheme), wrong
        self.challenge = f'{scheme} realm="tollkeeper"'

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        token = token_in(request.headers.get("authorization"), self._scheme)
        if token is None:
            return Refusal(Reason.NO_CREDENTIAL, self._needed)
        return await self._principals.find(token) or Refusal(Reason.WRONG_CREDENTIAL, self._wrong)


def token_in(authorization: str | None, scheme: str = "Bearer") -> str | None:
    """The token in `<scheme> <token>`, whatever the scheme's case; None for anything else."""
    given, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if given.lower() == scheme.lower() and token else None


class FailedAttempts:
    """Counts wrong credentials by network; bounded in networks and in time."""

    def __init__(self, allowed: int = FAILURES_ALLOWED, window_seconds: float = FAILURES_WINDOW_SECONDS) -> None:
        self._allowed = allowed
        self._failures: TTLCache[str, int] = TTLCache(ADDRESSES_REMEMBERED, window_seconds)
        self._slowed = 0

    def add(self, address: str) -> bool:
        """Counts one; returns whether there were too many before."""
        network = network_of(address)
        failures = self._failures.get(network, 0)
        if failures < self._allowed:
            self._failures[network] = failures + 1
        return failures >= self._allowed

    async def slow(self) -> None:
        """Waits, if not too many wait already."""
        if self._slowed >= MAX_SLOWED:
            return
        self._slowed += 1
        try:
            await asyncio.sleep(SLOW_SECONDS)
        finally:
            self._slowed -= 1


class Throttled:
    """An Authentication that slows wrong credentials down once there were too many.

    A right one always passes, even from an address that others guess from: so guessing is made expensive, not
    impossible, and a token is protected by its length.  A missing one is not a guess.
    """

    def __init__(self, inner: Authentication, failed: FailedAttempts, metrics: AdminMetrics) -> None:
        self._inner, self._failed, self._metrics = inner, failed, metrics
        self.challenge = inner.challenge

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        found = await self._inner.principal(request)
        if not isinstance(found, Refusal) or found.reason is not Reason.WRONG_CREDENTIAL:
            return found
        self._metrics.refused_tokens.add()
        if not self._failed.add(source_of(request.scope)):
            return found
        await self._failed.slow()
        return TOO_MANY


class SigningIn:
    """The middleware for paths that need no principal: a POST answered with 401 had a wrong credential, and is slowed
    down once there were too many."""

    def __init__(self, app: ASGIApp, surface: Surface, failed: FailedAttempts, metrics: AdminMetrics) -> None:
        self._app, self._surface, self._failed, self._metrics = app, surface, failed, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slowed = False

        async def counting(message: Message) -> None:
            nonlocal slowed
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._metrics.refused_tokens.add()
                slowed = self._failed.add(source_of(scope))
            if not slowed:
                await send(message)

        await self._app(scope, receive, counting if scope["method"] == "POST" else send)
        if slowed:
            await self._failed.slow()
            await self._surface.render(TOO_MANY, request_id_of(scope))(scope, receive, send)


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
        if found.reason is Reason.NO_CREDENTIAL and self._surface.sign_in and scope["method"] == "GET":
            await RedirectResponse(self._surface.sign_in + came_from(scope), 303)(scope, receive, send)
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
        # Commands find out whose the resource is.
        may = found.may(action, replace(resource, organization=found.organization))
        return found if may else FORBIDDEN


def came_from(scope: Scope) -> str:
    """The query that tells a sign-in page where to lead afterwards."""
    query = scope["query_string"].decode("latin-1")
    return "?" + urlencode({"next": scope["path"] + (f"?{query}" if query else "")})
