"""Refusals in the shape of the portal: an object with `error`, the reason as `code`, and the fields that are wrong."""

from typing import Any

from fastapi.responses import JSONResponse

from admin.commands.refusals import Refusal
from admin.gate.surface import STATUSES


def error(refusal: Refusal, request_id: str) -> JSONResponse:
    body: dict[str, Any] = {"error": refusal.detail, "code": str(refusal.reason), "request_id": request_id}
    if refusal.fields:
        body["fields"] = dict(refusal.fields)
    headers = {} if refusal.retry_seconds is None else {"retry-after": str(refusal.retry_seconds)}
    return JSONResponse(body, STATUSES[refusal.reason], headers)
