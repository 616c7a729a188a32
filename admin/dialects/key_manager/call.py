"""One request to the key manager, as routes are handed it.

Routes answer with a JSONResponse: what FastAPI does to anything else takes longer than the rest, for 10,000 teams.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import JSONResponse

from admin.commands.session import Done, Session
from admin.gate.answers import propagation_of, session_of

MOST = 10_000  # teams, keys, users or parts of usage in one answer


def _session(request: Request) -> Session:
    return session_of(request.scope, request.app.state.ports)


def changed(done: Done[Any], content: Mapping[str, object], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, propagation_of(done))


Asked = Annotated[Session, Depends(_session)]
