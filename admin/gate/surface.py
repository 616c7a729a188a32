"""A surface: one way to use the control plane over HTTP, with its own paths, credentials and shape of errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp

from admin.access.permission import Action, Resource
from admin.commands.refusals import Reason, Refusal
from admin.gate.credentials import Authentication

# What surfaces answer, unless their documents say otherwise.
STATUSES: Mapping[Reason, HTTPStatus] = {
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.WRONG_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.NO_CREDENTIAL: HTTPStatus.UNAUTHORIZED,
    Reason.WRONG_CREDENTIAL: HTTPStatus.UNAUTHORIZED,
    Reason.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Reason.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Reason.TAKEN: HTTPStatus.CONFLICT,
    Reason.IN_USE: HTTPStatus.CONFLICT,
    Reason.FULL: HTTPStatus.CONFLICT,
    Reason.STALE: HTTPStatus.PRECONDITION_FAILED,
    Reason.IN_PROGRESS: HTTPStatus.CONFLICT,
    Reason.REPEATED: HTTPStatus.CONFLICT,
    Reason.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

Render = Callable[[Refusal, str], Response]


@dataclass(frozen=True, slots=True)
class Surface:
    """`app` takes the requests whose path begins with `prefix`; `render` makes the answer for a refusal, given the
    request's id.

    `asks`: what a method and a path ask for, as far as that is known without the body.  It only saves reading the body:
    commands check again.  `open_paths` need no principal.
    """

    prefix: str
    app: ASGIApp
    authentication: Authentication
    asks: Callable[[str, str], tuple[Action, Resource]]
    render: Render
    open_paths: frozenset[str] = frozenset()
