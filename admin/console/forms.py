"""Forms: checking that our own page sent one, reading it, and showing it again with its errors."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from admin.access.browser_sessions import form_token_of
from admin.commands.refusals import Reason, Refusal, Refused
from admin.console.cookies import token_of
from admin.console.visit import FORM_KEY, FORM_TOKEN, FORM_TOKEN_KEY, Visit
from admin.fields import Body
from admin.gate.answers import PRINCIPAL_KEY, request_id_of
from admin.gate.errors import refusal_of
from admin.gate.surface import STATUSES, Render

MAX_FIELDS = 100
FROM_ELSEWHERE = Refusal(
    Reason.FORBIDDEN,
    "this form was not sent from a page of the console, or from one of an earlier sign-in: open it again",
)
SENT_BEFORE = Refusal(Reason.REPEATED, "this form was sent before, with other values in it: open it again")
TOO_MANY_FIELDS = Refusal(Reason.MALFORMED, "the form cannot be read")
# What is about the form's fields, and so is shown beside them.  Everything else is a page of its own.
OF_THE_FORM = (Reason.INVALID, Reason.TAKEN, Reason.IN_USE, Reason.FULL, Reason.REFUSED_THERE, Reason.MALFORMED)

Model = TypeVar("Model", bound=Body)


class Forms:
    """The middleware that reads the form of a POST into the scope, and refuses one that another site made the browser
    send.

    That is so if the browser says so, or if the session's own token is not among the fields.
    """

    def __init__(self, app: ASGIApp, render: Render) -> None:
        self._app, self._render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        token = token_of(request)
        scope[FORM_TOKEN_KEY] = form_token_of(token) if token else ""
        refusal = await self._read(request) if scope["method"] == "POST" else None
        app = self._app if refusal is None else self._render(refusal, request_id_of(scope))
        await app(scope, receive, send)

    async def _read(self, request: Request) -> Refusal | None:
        if from_elsewhere(request):
            return FROM_ELSEWHERE
        try:
            body = (await request.body()).decode()
            form = request.scope[FORM_KEY] = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except ValueError:
            return TOO_MANY_FIELDS
        given, right = form.get(FORM_TOKEN, "").encode(), request.scope[FORM_TOKEN_KEY].encode()
        signed_in = PRINCIPAL_KEY in request.scope
        return FROM_ELSEWHERE if signed_in and not hmac.compare_digest(given, right) else None


def from_elsewhere(request: HTTPConnection) -> bool:
    """Whether the browser says that another site sent this.  Sec-Fetch-Site also holds behind a proxy that changes the
    host; browsers leave it out without TLS, but never Origin."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


@dataclass(frozen=True, slots=True)
class Form:
    """What is in the fields of a form, and what is wrong: by field, and on the whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


Again = Callable[[Form, int], Awaitable[Response]]
Make = Callable[[Model], Awaitable[Response]]


async def submitted(visit: Visit, model: type[Model], again: Again, make: Make[Model]) -> Response:
    """Answers the form with what `make` returns.  If its fields are refused, the form is shown `again` with the
    errors."""
    try:
        return await make(read(visit, model))
    except Refused as refused:
        refusal = refused.refusal
        if refusal.reason not in OF_THE_FORM:
            raise
        if any(name == "idempotency-key" for name, _ in refusal.fields):
            raise Refused(SENT_BEFORE) from None
        wrong = {name: text for name, text in refusal.fields if name in model.model_fields}
        detail = "" if wrong and len(wrong) == len(refusal.fields) else refusal.detail
        return await again(Form(visit.form, wrong, detail), STATUSES[refusal.reason])


def read(visit: Visit, model: type[Model]) -> Model:
    """The form's fields; an empty one counts as absent.  Refused: INVALID."""
    given = {name: visit.field(name).strip() for name in model.model_fields}
    try:
        return model.model_validate({name: text for name, text in given.items() if text})
    except ValidationError as error:
        raise Refused(refusal_of([{**each, "loc": ("form", *each["loc"])} for each in error.errors()])) from None


EMPTY = Form()
