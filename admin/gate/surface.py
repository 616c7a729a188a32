"""A surface: one way to use the control plane over HTTP, with its own paths, credentials and shape of errors."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp

from admin.access.permission import Action, Principal, Resource
from admin.commands.ports import Ports
from admin.commands.refusals import Reason, Refusal

# The statuses that surfaces answer, unless their documents say otherwise.
STATUSES: Mapping[Reason, int] = {
    Reason.MALFORMED: 400,
    Reason.NO_CREDENTIAL: 401,
    Reason.WRONG_CREDENTIAL: 401,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.NO_OPERATION: 405,
    Reason.TOO_SLOW: 408,
    Reason.TAKEN: 409,
    Reason.IN_USE: 409,
    Reason.FULL: 409,
    Reason.REFUSED_THERE: 409,
    Reason.IN_PROGRESS: 409,
    Reason.REPEATED: 409,
    Reason.STALE: 412,
    Reason.TOO_LARGE: 413,
    Reason.WRONG_TYPE: 415,
    Reason.INVALID: 422,
    Reason.THROTTLED: 429,
    Reason.INTERNAL: 500,
    Reason.UNAVAILABLE: 503,
}

Render = Callable[[Refusal, str], Response]  # the answer for a refusal, given the request's id


class Authentication(Protocol):
    """How callers say who they are: an object a scheme."""

    @property
    def challenge(self) -> str:
        """What `WWW-Authenticate` says of it."""

    async def principal(self, request: HTTPConnection) -> Principal | Refusal:
        """Who is asking; NO_CREDENTIAL or WRONG_CREDENTIAL.  Raises what store.postgres.UNAVAILABLE lists when that
        cannot be known."""


@dataclass(frozen=True, slots=True)
class Surface:
    """`app` takes the requests whose path is one of `prefixes` or below one, each without a `/` at its end; those for
    `open_paths` need no principal.

    `asks`: what a method and a path ask for, as far as that is known without the body.  It only saves reading the body:
    commands check again.  `sign_in`: the open path to which a browser without a credential is sent; "": it is refused.
    """

    prefixes: tuple[str, ...]
    app: ASGIApp
    authentication: Authentication
    asks: Callable[[str, str], tuple[Action, Resource]]
    render: Render
    open_paths: frozenset[str] = frozenset()
    sign_in: str = ""


def on_ports(routes: FastAPI, ports: Ports) -> FastAPI:
    """The same routes on these ports.  What FastAPI makes of routes is kept: it takes a third of a second."""
    app = copy(routes)
    app.state = State({"ports": ports})
    return app
