"""What commands raise, as answers: refusals as RFC 9457 problem documents, repetitions as what was answered first.

What the framework itself refuses is a problem document too.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from admin.api.call import PREFIX
from admin.commands.refusals import Field, Reason, Refusal, Refused, invalid, named
from admin.commands.repeats import Replayed
from admin.gate.answers import request_id_of
from admin.gate.surface import STATUSES

MEDIA_TYPE = "application/problem+json"
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
# Where to look for what a command made when it was asked for the first time, by target type.
MADE = {"api_key": f"{PREFIX}/keys/{{}}", "admin_token": f"{PREFIX}/admin-tokens/{{}}"}
REPLAYED = {"idempotency-replayed": "true"}


def problem(refusal: Refusal, request_id: str) -> JSONResponse:
    """The answer to a refused request."""
    headers = {} if refusal.retry_seconds is None else {"retry-after": str(refusal.retry_seconds)}
    if refusal.made is not None:
        kind, made = refusal.made
        headers |= {"location": MADE[kind].format(made)} | REPLAYED
    return _document(STATUSES[refusal.reason], refusal.detail, request_id, headers, refusal.fields)


def install(app: FastAPI) -> None:
    """Makes whatever the app's routes raise an answer."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Replayed, _again)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _document(
    status: int, detail: str, request_id: str, headers: Mapping[str, str], fields: Sequence[Field] = ()
) -> JSONResponse:
    """`type` is about:blank, so `title` is the status's own name."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": request_id}
    errors = {"errors": [{"field": name, "detail": wrong} for name, wrong in fields]} if fields else {}
    return JSONResponse(body | errors, status, headers, MEDIA_TYPE)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - as registered
    return problem(error.refusal, request_id_of(request.scope))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered
    return problem(_refusal(error.errors()), request_id_of(request.scope))


async def _again(request: Request, error: Exception) -> JSONResponse:
    """What was asked for before, by the route's own view of what is kept."""
    assert isinstance(error, Replayed)  # noqa: S101 - as registered
    route, made = request.scope["route"], error.repeat
    status = route.status_code or 200
    location = {"location": f"{request.url.path}/{made.target_id}"} if status == 201 else {}
    answer = route.response_model.model_validate(made.response).model_dump(mode="json")
    return JSONResponse(answer, status, location | REPLAYED)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered
    details = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not possible at {request.url.path}",
        400: "the body is not JSON",
    }
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(_allowed(request))  # of all routes there; the framework names those of the first
    detail = details.get(error.status_code, str(error.detail))
    return _document(error.status_code, detail, request_id_of(request.scope), headers)


def _allowed(request: Request) -> list[str]:
    def takes(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in METHODS if takes(method)]


def _refusal(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """Why a request does not fit its schema; MALFORMED if its body is no JSON at all."""
    if any(each["type"] == "json_invalid" for each in errors):
        where = next(each for each in errors if each["type"] == "json_invalid")
        return Refusal(Reason.MALFORMED, f"the body is not JSON: {where.get('ctx', {}).get('error', 'malformed')}")
    return invalid(*(named(_field(each["loc"]), _wrong(each)) for each in errors)).refusal


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
