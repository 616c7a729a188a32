"""Refusals as RFC 9457 problem documents, and repetitions as what was answered first."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from admin.api.call import PREFIX
from admin.commands.refusals import Refusal
from admin.commands.repeats import Replayed
from admin.gate.surface import STATUSES

MEDIA_TYPE = "application/problem+json"
REPLAYED = {"idempotency-replayed": "true"}
# Where to look for what a command made when it was asked for the first time, by target type.
MADE = {
    "api_key": f"{PREFIX}/keys/{{}}",
    "admin_token": f"{PREFIX}/admin-tokens/{{}}",
    "webhook": f"{PREFIX}/webhooks/{{}}",
}


def problem(refusal: Refusal, request_id: str) -> JSONResponse:
    """`type` is about:blank, so `title` is the status's own name."""
    status, headers = STATUSES[refusal.reason], dict[str, str]()
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body |= {"detail": refusal.detail, "request_id": request_id}
    if refusal.fields:
        body["errors"] = [{"field": name, "detail": wrong} for name, wrong in refusal.fields]
    if refusal.retry_seconds is not None:
        headers["retry-after"] = str(refusal.retry_seconds)
    if refusal.made is not None:
        kind, made = refusal.made
        headers |= {"location": MADE[kind].format(made)} | REPLAYED
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Replayed, _again)


async def _again(request: Request, error: Exception) -> JSONResponse:
    """By the route's own view of what is kept."""
    assert isinstance(error, Replayed)  # noqa: S101 - as registered
    route, made = request.scope["route"], error.repeat
    status = route.status_code or 200
    location = {"location": f"{request.url.path}/{made.target_id}"} if status == 201 else {}
    answer = route.response_model.model_validate(made.response).model_dump(mode="json")
    return JSONResponse(answer, status, location | REPLAYED)
