"""The query of a request: text, with each name once, unless it is a list.  Of two values, different readers would take
different ones."""

from collections import Counter
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from admin.commands.refusals import MAX_SHOWN, Reason, Refusal
from admin.gate.answers import request_id_of
from admin.gate.surface import Render

MAX_PARAMETERS = 100
REPEATED = frozenset({"group_by"})  # lists
NOT_TEXT = Refusal(Reason.MALFORMED, "the query is not UTF-8, percent-encoded")
TOO_MANY = Refusal(Reason.MALFORMED, f"the query has more than {MAX_PARAMETERS} parameters")


class Query:
    """Passes on queries that can be read in only one way."""

    def __init__(self, app: ASGIApp, render: Render) -> None:
        self._app, self._render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = refusal_of(scope["query_string"]) if scope["query_string"] else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await self._render(refusal, request_id_of(scope))(scope, receive, send)


def refusal_of(query: bytes) -> Refusal | None:
    if query.count(b"&") >= MAX_PARAMETERS:
        return TOO_MANY
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        return NOT_TEXT
    counts = Counter(name for name, _ in pairs if name not in REPEATED)
    twice = next((name for name, count in counts.items() if count > 1), None)
    return twice if twice is None else Refusal(Reason.MALFORMED, f"the query has {twice[:MAX_SHOWN]!r} twice")
