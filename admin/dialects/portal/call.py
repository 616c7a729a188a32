"""One request to the portal, as routes are handed it."""

from typing import Annotated

from fastapi import Depends, Request

from admin.commands.organizations.accounts import NO_ORGANIZATION
from admin.commands.ports import Ports
from admin.commands.refusals import Refused
from admin.commands.session import Session
from admin.gate.answers import request_id_of, session_of, source_of
from admin.gate.authentication import token_in
from tenancy.directory.change_request import ChangeRequest


def _session(request: Request) -> Session:
    return session_of(request.scope, request.app.state.ports)


def _ports(request: Request) -> Ports:
    found: Ports = request.app.state.ports
    return found


def _anybody(request: Request) -> ChangeRequest:
    return ChangeRequest("sign-in", source_of(request.scope), request_id_of(request.scope))


def _token(request: Request) -> str:
    return token_in(request.headers.get("authorization")) or ""


def own(session: Session) -> str:
    """The organization of the caller; Refused for an operator, who has none."""
    if session.principal.organization is None:
        raise Refused(NO_ORGANIZATION)
    return session.principal.organization


Asked = Annotated[Session, Depends(_session)]
AllPorts = Annotated[Ports, Depends(_ports)]
Anybody = Annotated[ChangeRequest, Depends(_anybody)]
Token = Annotated[str, Depends(_token)]
