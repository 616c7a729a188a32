"""Envoy's own replies, in the shape that clients of the called API read: the mappers of `local_reply_config`.  Pure.

One mapper for each error and API, since Envoy applies the first that matches and none of its formats can choose.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from clients.api import PATTERNS, Api
from clients.errors import Fault, Header, headers_of, retry_headers, shape_of
from tollkeeper.envoy.template import quote

CEL = "envoy.access_loggers.extension_filters.cel"
EXPRESSION = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
SOON_MS = 1000
DETAILS = "%RESPONSE_CODE_DETAILS%"

# The first whose condition holds.
FAULTS: tuple[tuple[str, Fault], ...] = (
    (
        'response.code_details in ["ext_authz_error", "rate_limiter_error"]',
        Fault(
            503,
            "The request could not be checked because Tollkeeper does not answer",
            "server_error",
            "tollkeeper_unavailable",
            wait_ms=SOON_MS,
        ),
    ),
    (
        'response.code_details == "request_payload_too_large"',
        Fault(
            413,
            "The request body is larger than 32 MiB, or than 4 MiB without a content-length",
            "invalid_request_error",
            "request_too_large",
        ),
    ),
    (
        'response.code_details == "overload"',
        Fault(
            503,
            "The service has too little memory left at the moment",
            "server_error",
            "overloaded",
            wait_ms=SOON_MS,
        ),
    ),
    (
        'response.code_details == "upgrade_failed"',
        Fault(
            403,
            "Websockets (realtime sessions) and CONNECT are not served: what passes through them could not be counted",
            "permission_error",
            "upgrade_refused",
        ),
    ),
    ("response.code == 404", Fault(404, "No route leads there", "invalid_request_error", "unknown_url")),
    (
        "response.code == 504",
        Fault(504, "The model server did not answer in time", "server_error", "upstream_timeout"),
    ),
    (
        "response.code in [502, 503]",
        Fault(503, "The model server cannot be reached", "server_error", "upstream_unavailable", wait_ms=SOON_MS),
    ),
    ("response.code >= 500", Fault(500, f"The request failed: {DETAILS}", "server_error", "proxy_error")),
    ("response.code >= 400", Fault(400, f"The request was refused: {DETAILS}", "invalid_request_error", "bad_request")),
)


def mappers() -> Iterator[str]:
    """The lines of YAML; an API's mapper stands ahead of the one for all others."""
    for condition, fault in FAULTS:
        for api, pattern in PATTERNS.items():
            yield from _mapper(f"{condition} && request.url_path.matches('(?i){pattern}')", fault, api)
        yield from _mapper(condition, fault, Api.OPENAI)


def _mapper(expression: str, fault: Fault, api: Api) -> Iterator[str]:
    yield "- filter:"
    yield "    extension_filter:"
    yield f"      name: {CEL}"
    yield f'      typed_config: {{"@type": {EXPRESSION}, expression: {quote(expression)}}}'
    yield f"  body_format_override: {{json_format: {json.dumps(_format(fault, api))}}}"
    yield from _headers(header for header in (*headers_of(fault, api), *_retry(fault)) if header[0] != "content-type")


def _format(fault: Fault, api: Api) -> dict[str, Any]:
    shape = shape_of(fault, api)
    if api is Api.GEMINI:
        shape["error"]["code"] = "%RESPONSE_CODE%"  # in which a fault stands for several
    return shape


def _retry(fault: Fault) -> tuple[Header, ...]:
    return () if fault.wait_ms is None else retry_headers(fault.wait_ms, fault.wait_ms)


def _headers(headers: Iterable[Header]) -> Iterator[str]:
    options = [f"{{header: {{key: {name}, value: {json.dumps(text)}}}}}" for name, text in headers]
    if options:
        yield f"  headers_to_add: [{', '.join(options)}]"
