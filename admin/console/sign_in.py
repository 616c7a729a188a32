"""Signing in and out.  A sign-in always makes a new session, whatever cookie came with it."""

from urllib.parse import urlsplit

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from admin.access.browser_sessions import NewBrowserSession
from admin.access.permission import Principal
from admin.access.tokens import digest_of
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refusal
from admin.console.cookies import PREFIX, set_token, token_of
from admin.console.visit import Routes, Visit
from admin.gate.answers import source_of

SIGN_IN, SIGN_OUT = f"{PREFIX}/sign-in", f"{PREFIX}/sign-out"
SIGNED_OUT = Refusal(Reason.NO_CREDENTIAL, "you are not signed in, or not any more")
MAX_TOKEN = 512

log = structlog.get_logger(__name__)
routes = Routes()


class SignedIn:
    """An Authentication: the session's token in a cookie.  A cookie whose session has ended is as good as none."""

    challenge = f'Cookie realm="tollkeeper", form-action="{SIGN_IN}"'

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        token = token_of(request)
        found = await self._ports.browser_sessions.find(token) if token else None
        principal = await self._ports.principals.behind(token, found) if found else None
        return principal or SIGNED_OUT


def way_back(next_: str) -> str:
    """Where to go after signing in: a page of the console, whatever the link said."""
    parts = urlsplit(next_ if next_.isprintable() and "\\" not in next_ else "")
    inside = parts.path == PREFIX or parts.path.startswith(f"{PREFIX}/")
    if parts.scheme or parts.netloc or not inside or "//" in parts.path or parts.path in (SIGN_IN, SIGN_OUT):
        return PREFIX
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@routes.get(SIGN_IN)
async def show_sign_in(visit: Visit) -> Response:
    return visit.page("sign_in.html", next=way_back(visit.query("next")), wrong="", title="Sign in")


@routes.post(SIGN_IN)
async def sign_in(visit: Visit) -> Response:
    next_, token = way_back(visit.field("next")), visit.field("token").strip()
    principal = await visit.ports.principals.find(token) if 0 < len(token) <= MAX_TOKEN else None
    if principal is None:
        wrong = "This is not an admin token that is taken here." if token else "Enter an admin token."
        return visit.page("sign_in.html", 401 if token else 422, next=next_, wrong=wrong, title="Sign in")
    return await begin(visit, principal.name, digest_of(token), next_)


async def begin(visit: Visit, account: str, credential: bytes, next_: str) -> Response:
    """A new session; the one that the browser had ends."""
    if old := token_of(visit.request):
        await visit.ports.browser_sessions.end(old)
    new = NewBrowserSession(account, credential)
    await visit.ports.browser_sessions.begin(new)
    log.info("signed in to the console", account=account, source=source_of(visit.request.scope))
    answer = RedirectResponse(next_, 303)
    set_token(visit.request, answer, new.token)
    return answer


@routes.post(SIGN_OUT)
async def sign_out(visit: Visit) -> Response:
    await visit.ports.browser_sessions.end(token_of(visit.request))
    answer = RedirectResponse(SIGN_IN, 303)
    set_token(visit.request, answer, "")
    return answer
