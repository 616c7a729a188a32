"""How a caller says who it is: an object a scheme.  Whose credential it is, admin/access knows."""

from typing import Protocol

from starlette.requests import HTTPConnection

from admin.access.permission import Principal
from admin.access.principals import Principals
from admin.commands.refusals import Reason, Refusal

SCHEME = "bearer"


class Authentication(Protocol):
    """One scheme.  Raises what store.postgres.UNAVAILABLE lists when it cannot be known who is asking."""

    @property
    def challenge(self) -> str:
        """What `WWW-Authenticate` says of it."""

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        """Who is asking; NO_CREDENTIAL or WRONG_CREDENTIAL."""


class Bearer:
    """`Authorization: Bearer <admin token>`."""

    challenge = 'Bearer realm="tollkeeper"'

    def __init__(self, principals: Principals) -> None:
        self._principals = principals

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        token = bearer_token(request.headers.get("authorization"))
        if token is None:
            return Refusal(Reason.NO_CREDENTIAL, NEEDED)
        return await self._principals.find(token) or Refusal(Reason.WRONG_CREDENTIAL, NEEDED)


NEEDED = "an admin token is needed: Authorization: Bearer <token>"


def bearer_token(authorization: str | None) -> str | None:
    """The token in `Bearer <token>`, whatever the scheme's case; None for anything else."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == SCHEME and token else None
