"""Answering a create that was asked for before under the same Idempotency-Key: from what is kept, without a secret."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from admin import limits, policies
from admin.gate import PRINCIPAL_KEY
from admin.problems import UNAVAILABLE, Problem, request_id_of, respond
from admin.services import Services
from admin.terms import IDEMPOTENCY_KEY
from store import postgres
from tenancy.directory.audit import Snapshot
from tenancy.directory.idempotency import AlreadyAsked, Repeat

REPLAYED = {"idempotency-replayed": "true"}
HEADER = "idempotency-key"
# What is shown otherwise than it is kept, by target type.
SHOWN: Mapping[str, Callable[[Snapshot], Mapping[str, Any]]] = {
    "limit": limits.shown_again,
    "policy": policies.shown_again,
}
# Where what is not shown again is found.
WITH_SECRET = {"api_key": "/api/v1/keys/{}", "admin_token": "/api/v1/admin-tokens/{}"}

BUSY = Problem(409, "the request with this Idempotency-Key is not done yet, or has just failed: try again")
OTHER_BODY = "was used for another request"


def install(app: FastAPI) -> None:
    app.add_exception_handler(AlreadyAsked, _again)


async def _again(request: Request, error: Exception) -> Response:
    use: Services = request.app.state.services
    asked, request_id = request.scope[IDEMPOTENCY_KEY], request_id_of(request)
    try:
        found = await use.repeats.find(request.scope[PRINCIPAL_KEY].name, asked.key)
    except postgres.UNAVAILABLE:
        return respond(UNAVAILABLE, request_id)
    if found is None:
        return respond(BUSY, request_id)
    if found.fingerprint != asked.fingerprint:
        return respond(Problem(422, f"{HEADER}: {OTHER_BODY}", ((HEADER, OTHER_BODY),)), request_id)
    if found.target_type in WITH_SECRET:
        return respond(_with_secret(found), request_id)
    fields = SHOWN.get(found.target_type, dict)(found.response)
    view = request.scope["route"].response_model.model_validate(fields)
    status = request.scope["route"].status_code or 200
    location = {"location": f"{request.url.path}/{found.target_id}"} if status == 201 else {}
    return JSONResponse(view.model_dump(mode="json"), status, location | REPLAYED)


def _with_secret(found: Repeat) -> Problem:
    kind = found.target_type.replace("_", " ")
    location = WITH_SECRET[found.target_type].format(found.target_id)
    detail = (
        f"this was done before: it made a secret of the {kind} {found.target_id!r}, which was shown once and is not"
        " kept; rotate it, or delete it and create another"
    )
    return Problem(409, detail, headers={"location": location} | REPLAYED)
