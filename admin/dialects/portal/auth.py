"""/auth: signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import StringConstraints

from admin.access.passwords import MAX_CHARACTERS
from admin.commands.organizations import sign_in
from admin.commands.organizations.sign_in import Admitted
from admin.dialects.portal.call import AllPorts, Anybody, Token
from admin.fields import Body

PREFIX = "/auth"
OPEN_PATHS = frozenset(f"{PREFIX}/{name}" for name in ("login", "refresh", "accept"))
router = APIRouter(prefix=PREFIX)

Password = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
Secret = Annotated[str, StringConstraints(max_length=256)]


class Credentials(Body):
    """Who signs in."""

    email: Annotated[str, StringConstraints(max_length=320)]
    password: Password


class RefreshBody(Body):
    """The refresh token of the answer before."""

    refresh_token: Secret


class AcceptBody(Body):
    """An invitation's token, and the password of the account that it makes."""

    invitation: Secret
    password: Password


class PasswordBody(Body):
    """The password of now, and the next one."""

    old_password: Password
    new_password: Password


@router.post("/login")
async def log_in(body: Credentials, ports: AllPorts, by: Anybody) -> dict[str, object]:
    """Opens a session."""
    return _shown(await sign_in.sign_in(ports, body.email, body.password, by))


@router.post("/refresh")
async def refresh(body: RefreshBody, ports: AllPorts) -> dict[str, object]:
    """Goes on with a session."""
    return _shown(await sign_in.refresh(ports, body.refresh_token))


@router.post("/accept", status_code=201)
async def accept(body: AcceptBody, ports: AllPorts, by: Anybody) -> dict[str, object]:
    """Makes the account that somebody was invited to."""
    return _shown(await sign_in.accept(ports, body.invitation, body.password, by))


@router.post("/logout", status_code=204, response_model=None)
async def log_out(ports: AllPorts, token: Token) -> Response:
    """Ends the session of the token."""
    await sign_in.sign_out(ports, token)
    return Response(status_code=204)


@router.post("/password")
async def change_password(body: PasswordBody, ports: AllPorts, token: Token, by: Anybody) -> dict[str, object]:
    """Ends every session of the account, and opens one."""
    return _shown(await sign_in.change_password(ports, token, body.old_password, body.new_password, by))


def _shown(admitted: Admitted) -> dict[str, object]:
    account = admitted.account
    who = {"id": account.id, "email": account.email, "role": account.role, "organization": account.organization}
    return {
        "token": admitted.token,
        "token_type": "Bearer",
        "expires_in": admitted.seconds,
        "refresh_token": admitted.refresh_token,
        "account": who,
    }
