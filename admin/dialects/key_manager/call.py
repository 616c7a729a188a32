"""One request to the key manager, as routes are handed it."""

from typing import Annotated

from fastapi import Depends, Request

from admin.commands.session import Session
from admin.gate.answers import session_of


def _session(request: Request) -> Session:
    return session_of(request.scope, request.app.state.ports)


Asked = Annotated[Session, Depends(_session)]
