"""Signing in and out.  A sign-in always makes a new session, whatever cookie came with it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from admin.access.browser_sessions import NewBrowserSession
from admin.access.permission import Principal
from admin.access.signing import is_signed
from admin.access.tokens import digest_of
from admin.commands.organizations import sign_in as accounts
from admin.commands.organizations.sign_in import Admitted
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refusal, Refused
from admin.console.cookies import PREFIX, set_token, token_of
from admin.console.forms import EMPTY as EMPTY_FORM
from admin.console.forms import Form
from admin.console.visit import Routes, Visit
from admin.gate.answers import request_id_of, source_of
from admin.gate.surface import STATUSES
from tenancy.directory.change_request import ChangeRequest

SIGN_IN, SIGN_OUT, ACCEPT = f"{PREFIX}/sign-in", f"{PREFIX}/sign-out", f"{PREFIX}/accept"
SIGNED_OUT = Refusal(Reason.NO_CREDENTIAL, "you are not signed in, or not any more")
MAX_TOKEN = 512
EMPTY: Mapping[str, str] = {}
OF_THE_FORM = (Reason.WRONG_CREDENTIAL, Reason.THROTTLED, Reason.INVALID)
OF_INVITATIONS = (Reason.NOT_FOUND, Reason.THROTTLED, Reason.INVALID)

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
    """Where to go after signing in: always a page of the console, whatever the link says."""
    parts = urlsplit(next_ if next_.isprintable() and "\\" not in next_ else "")
    inside = parts.path == PREFIX or parts.path.startswith(f"{PREFIX}/")
    if parts.scheme or parts.netloc or not inside or "//" in parts.path or parts.path in (SIGN_IN, SIGN_OUT, ACCEPT):
        return PREFIX
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@routes.get(SIGN_IN)
async def show_sign_in(visit: Visit) -> Response:
    return _page(visit, 200, way_back(visit.query("next")))


@routes.post(SIGN_IN)
async def sign_in(visit: Visit) -> Response:
    next_ = way_back(visit.field("next"))
    if "email" in visit.form:
        return await _with_password(visit, next_)
    token = visit.field("token").strip()
    if not token:
        return _page(visit, 422, next_, {"token": "Enter an admin token."})
    # A token of an account lives briefly, and a session is not based on it: its owner has a password.
    known = len(token) <= MAX_TOKEN and not is_signed(token)
    principal = await visit.ports.principals.find(token) if known else None
    if principal is None:
        return _page(visit, 401, next_, {"token": "This is not an admin token that is taken here."})
    return await _begin(visit, NewBrowserSession(principal.name, digest_of(token)), next_)


@routes.get(ACCEPT)
async def show_accept(visit: Visit) -> Response:
    return _accept(visit, EMPTY_FORM, 200)


@routes.post(ACCEPT)
async def accept(visit: Visit) -> Response:
    """Makes the account that somebody was invited to, and signs it in."""
    try:
        invitation, password = visit.field("invitation").strip(), visit.field("password")
        admitted = await accounts.accept(visit.ports, invitation, password, _by(visit))
    except Refused as refused:
        refusal = refused.refusal
        if refusal.reason not in OF_INVITATIONS:
            raise
        wrong = dict(refusal.fields)
        form = Form({"invitation": visit.field("invitation")}, wrong, "" if wrong else refusal.detail)
        return _accept(visit, form, STATUSES[refusal.reason])
    return await _admit(visit, admitted, PREFIX)


@routes.post(SIGN_OUT)
async def sign_out(visit: Visit) -> Response:
    await _end(visit)
    answer = RedirectResponse(SIGN_IN, 303)
    set_token(visit.request, answer, "")
    return answer


async def _with_password(visit: Visit, next_: str) -> Response:
    try:
        admitted = await accounts.sign_in(visit.ports, visit.field("email"), visit.field("password"), _by(visit))
    except Refused as refused:
        refusal = refused.refusal
        if refusal.reason not in OF_THE_FORM:
            raise
        text = f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."
        return _page(visit, STATUSES[refusal.reason], next_, {"email": text})
    return await _admit(visit, admitted, next_)


async def _admit(visit: Visit, admitted: Admitted, next_: str) -> Response:
    account, session = admitted.account.id, admitted.session_id
    return await _begin(visit, NewBrowserSession(account, account_session=session), next_)


def _by(visit: Visit) -> ChangeRequest:
    scope = visit.request.scope
    return ChangeRequest("", source_of(scope), request_id_of(scope))


async def _begin(visit: Visit, new: NewBrowserSession, next_: str) -> Response:
    """Ends the session that the browser had, and begins another."""
    await _end(visit)
    await visit.ports.browser_sessions.begin(new)
    log.info("signed in to the console", account=new.account, source=source_of(visit.request.scope))
    answer = RedirectResponse(next_, 303)
    set_token(visit.request, answer, new.token)
    return answer


async def _end(visit: Visit) -> None:
    """The account that is signed in with this browser, if any."""
    if token := token_of(visit.request):
        found = await visit.ports.browser_sessions.find(token)
        await visit.ports.browser_sessions.end(token)
        if found is not None and found.account_session:
            await visit.ports.desk.sessions.end(found.account_session)
            visit.ports.principals.forget()


def _accept(visit: Visit, form: Form, status: int) -> Response:
    return visit.page("people/accept.html", status, title="An invitation", form=form)


def _page(visit: Visit, status: int, next_: str, wrong: Mapping[str, str] = EMPTY) -> Response:
    """`wrong`: the error, by the first field of either form."""
    shown: dict[str, Any] = {"next": next_, "wrong": wrong, "email": visit.field("email")}
    shown["accounts"] = visit.ports.desk.signing.possible
    return visit.page("sign_in.html", status, title="Sign in", **shown)
