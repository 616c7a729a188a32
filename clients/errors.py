"""The bodies of refusals, one shape a provider's API, and the headers that tell a client whether to try again.

| API       | body                                                                   | source                         |
|-----------|------------------------------------------------------------------------|--------------------------------|
| OpenAI    | `{"error": {message, type, param, code}}`                              | openai's error reference       |
| Anthropic | `{"type": "error", "error": {type, message}}`                          | anthropic.types.ErrorResponse  |
| Gemini    | `{"error": {code, message, status, details}}`                          | google.rpc.Status in JSON      |
| Ollama    | `{"error": message}`                                                   | ollama's api.StatusError       |
| Cohere    | `{"message": message}`                                                 | cohere.errors                  |
| MCP       | `{"jsonrpc": "2.0", "id": id, "error": {code, message, data}}`         | JSON-RPC 2.0                   |
| Bedrock   | `{"message": message}`, the type in the header `x-amzn-errortype`      | botocore's service model       |
"""

import json
from dataclasses import dataclass
from typing import Any

from clients.api import Api

Header = tuple[str, str]
CONTENT_TYPE: Header = ("content-type", "application/json")
MS_PER_SECOND = 1000

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AMAZON_TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
# JSON-RPC's codes and, between -32099 and -32060, our own: clients and the protocol give other meanings to those above.
_RPC_CODES = {
    400: -32600,
    401: -32061,
    403: -32063,
    404: -32064,
    413: -32073,
    429: -32089,
}
_RPC_INTERNAL = -32603
_RPC_INVALID_PARAMS = -32602
_ABOUT_PARAMS = ("invalid_params", "tool_not_allowed")
_NO_ID = b'"id":null'


@dataclass(frozen=True, slots=True)
class Fault:
    """One refusal, in OpenAI's words, which have the most detail; `param` names the field at fault.

    `wait_ms`: when a repetition may succeed, None if that is not a matter of time.
    """

    status: int
    message: str
    type: str
    code: str
    param: str | None = None
    wait_ms: int | None = None


def body_of(fault: Fault, api: Api) -> bytes:
    """The JSON body that clients of the API read."""
    return json.dumps(shape_of(fault, api), separators=(",", ":")).encode()


def shape_of(fault: Fault, api: Api) -> dict[str, Any]:
    """The same as an object."""
    return _SHAPES[api](fault)


def with_rpc_id(body: bytes, id_: str) -> bytes:
    """A body of MCP's, which answers the message with this id, as JSON; "": none."""
    return body.replace(_NO_ID, b'"id":' + id_.encode(), 1) if id_ else body


def headers_of(fault: Fault, api: Api) -> tuple[Header, ...]:
    """The headers that the shape needs."""
    if api is Api.BEDROCK:
        return CONTENT_TYPE, ("x-amzn-errortype", _AMAZON_TYPES.get(fault.status, "InternalServerException"))
    return (CONTENT_TYPE,)


def retry_headers(wait_ms: int | None, max_seconds: int) -> tuple[Header, ...]:
    """Whether and when a client should try again by itself, in the headers that official clients obey.

    The openai and anthropic clients read `retry-after-ms` and `x-should-retry`; without the latter the anthropic one
    sleeps for as long as `retry-after` says, hours too.  So a wait beyond `max_seconds` is not to be slept through
    within a call: `x-should-retry: false`, and a `retry-after` of that bound for other clients.
    """
    if wait_ms is None:
        return (("x-should-retry", "false"),)
    if wait_ms > max_seconds * MS_PER_SECOND:
        return ("retry-after", str(max_seconds)), ("x-should-retry", "false")
    seconds = max(1, -(-wait_ms // MS_PER_SECOND))
    return ("retry-after", str(seconds)), ("retry-after-ms", str(max(1, wait_ms)))


def _openai(fault: Fault) -> dict[str, Any]:
    return {"error": {"message": fault.message, "type": fault.type, "param": fault.param, "code": fault.code}}


def _anthropic(fault: Fault) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(fault.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": fault.message}}


def _gemini(fault: Fault) -> dict[str, Any]:
    status = _GOOGLE_STATUSES.get(fault.status, "INTERNAL")
    details: list[dict[str, str]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": fault.code.upper(), "domain": "tollkeeper"}
    ]
    if fault.wait_ms is not None:
        delay = f"{fault.wait_ms / MS_PER_SECOND:.3f}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return {"error": {"code": fault.status, "message": fault.message, "status": status, "details": details}}


def _ollama(fault: Fault) -> dict[str, Any]:
    return {"error": fault.message}


def _message(fault: Fault) -> dict[str, Any]:
    return {"message": fault.message}


def _json_rpc(fault: Fault) -> dict[str, Any]:
    code = _RPC_INVALID_PARAMS if fault.code in _ABOUT_PARAMS else _RPC_CODES.get(fault.status, _RPC_INTERNAL)
    data: dict[str, Any] = {"code": fault.code}
    if fault.wait_ms is not None:
        data["retry_after_ms"] = fault.wait_ms
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": fault.message, "data": data}}


_SHAPES = {
    Api.OPENAI: _openai,
    Api.ANTHROPIC: _anthropic,
    Api.GEMINI: _gemini,
    Api.OLLAMA: _ollama,
    Api.COHERE: _message,
    Api.BEDROCK: _message,
    Api.MCP: _json_rpc,
}
