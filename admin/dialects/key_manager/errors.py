"""Refusals in the shape of the key manager: an object with `error`."""

from typing import Any

from fastapi.responses import JSONResponse

from admin.commands.refusals import Refusal
from admin.gate.surface import STATUSES


def error(refusal: Refusal, request_id: str) -> JSONResponse:
    body: dict[str, Any] = {"error": refusal.detail, "request_id": request_id}
    headers = {} if refusal.retry_seconds is None else {"retry-after": str(refusal.retry_seconds)}
    return JSONResponse(body, STATUSES[refusal.reason], headers)
