"""What a FastAPI app raises, in the surface's own shape: refusals of commands, and those of the framework itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from admin.commands.refusals import MAX_SHOWN, Reason, Refusal, Refused, invalid, named
from admin.gate.answers import request_id_of
from admin.gate.surface import Render

MAX_FIELDS = 20  # that are named in one answer
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
# What the framework says, and the reason for it: everything else is a bug.
REASONS = {400: Reason.MALFORMED, 404: Reason.NOT_FOUND, 405: Reason.NO_OPERATION}


def install(app: FastAPI, render: Render) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - as registered
        return render(error.refusal, request_id_of(request.scope))

    async def misfit(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
        return render(refusal_of(error.errors()), request_id_of(request.scope))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as registered
        details = {
            Reason.MALFORMED: "the body is not JSON",
            Reason.NOT_FOUND: f"there is nothing at {request.url.path[:MAX_SHOWN]}",
            Reason.NO_OPERATION: f"{request.method} is not possible at {request.url.path[:MAX_SHOWN]}",
        }
        reason = REASONS.get(error.status_code, Reason.INTERNAL)
        answer = render(Refusal(reason, details.get(reason, str(error.detail))), request_id_of(request.scope))
        if reason is Reason.NO_OPERATION:
            answer.headers["allow"] = ", ".join(_allowed(request))
        return answer

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, misfit)
    app.add_exception_handler(HTTPException, http)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes at the path; the framework names only the first route's."""

    def takes(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if takes(method)]


def refusal_of(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """Why a request does not fit its schema; MALFORMED if its body is no JSON at all."""
    for each in errors:
        if each["type"] == "json_invalid":
            return Refusal(Reason.MALFORMED, f"the body is not JSON: {each.get('ctx', {}).get('error', 'malformed')}")
    wrong = [named(_field(each["loc"])[:MAX_SHOWN], _wrong(each)) for each in errors[:MAX_FIELDS]]
    if len(errors) > MAX_FIELDS:  # so that no answer grows with what is sent
        wrong.append(("body", f"and {len(errors) - MAX_FIELDS} more"))
    return invalid(*wrong).refusal


def _field(location: Sequence[str | int]) -> str:
    """`weight`, `models_allowed.0`; `body` when it is the body as a whole."""
    names = [str(part) for part in location[1:]]
    return ".".join(names) or str(location[0])


def _wrong(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required"
        case "string_unicode":
            return "is not valid Unicode text"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
