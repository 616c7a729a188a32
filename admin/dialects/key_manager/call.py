"""One request to the key manager, as routes are handed it.

Routes answer with a JSONResponse: what FastAPI does to anything else takes longer than the rest, for 10,000 teams.
"""

from typing import Annotated

from fastapi import Depends, Request

from admin.commands.session import Session
from admin.gate.answers import session_of

MOST = 10_000  # teams, keys, users or parts of usage in one answer


def _session(request: Request) -> Session:
    return session_of(request.scope, request.app.state.ports)


Asked = Annotated[Session, Depends(_session)]
