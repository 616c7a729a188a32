"""Answering what was asked for before under the same Idempotency-Key, as it was answered then."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from admin.api.problems import REPLAYED
from admin.commands.repeats import Replayed


def install(app: FastAPI) -> None:
    app.add_exception_handler(Replayed, _again)


async def _again(request: Request, error: Exception) -> JSONResponse:
    """The route's own view of what is kept."""
    assert isinstance(error, Replayed)  # noqa: S101 - as registered
    route, made = request.scope["route"], error.repeat
    status = route.status_code or 200
    location = {"location": f"{request.url.path}/{made.target_id}"} if status == 201 else {}
    answer = route.response_model.model_validate(made.response).model_dump(mode="json")
    return JSONResponse(answer, status, location | REPLAYED)
