"""Envoy's own replies, in the shape that clients of the called API read: the mappers of `local_reply_config`.  Pure.

One mapper for each error and API, since Envoy applies the first that matches and none of its formats can choose.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from clients.api import PATTERNS, Api
from clients.errors import Fault, Header, headers_of, retry_headers, shape_of
from tollkeeper.envoy.template import quote

CEL = "envoy.access_loggers.extension_filters.cel"
EXPRESSION = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
SOON_MS = 1000
RPC_ID = "%DYNAMIC_METADATA(tollkeeper.mcp:id)%"
DETAILS = "%RESPONSE_CODE_DETAILS%"

GUARDED = "'tollkeeper.guard' in metadata.filter_metadata"
_AUTHZ, _RATELIMIT = "envoy.filters.http.ext_authz", "envoy.filters.http.ratelimit"
KNOWN = f"'{_AUTHZ}' in metadata.filter_metadata && 'lease_id' in metadata.filter_metadata['{_AUTHZ}']"
DECIDED = f"'{_RATELIMIT}' in metadata.filter_metadata && 'admission' in metadata.filter_metadata['{_RATELIMIT}']"
# On its way to an MCP server a request has another path.
TO_A_SERVER = DECIDED.replace("admission", "mcp")
DENIED = DECIDED.replace("admission", "denied")
REFUSED = f"{GUARDED} && 'refused' in metadata.filter_metadata['tollkeeper.guard']"
# As Envoy's router says that the model server gave no answer.
NO_ANSWER = (
    "(response.code_details.startsWith('upstream_') || response.code_details in "
    '["no_healthy_upstream", "cluster_not_found", "stream_idle_timeout"])'
)
# Replies of our filters that bring their own bodies: in a listener that is ours alone, and in one that is shared.
OWN_BODIES = 'response.code_details in ["request_rate_limited", "ext_authz_denied", "lua_response"]'
OWN_BODIES_SHARED = (
    f'response.code_details == "ext_authz_denied" && {GUARDED} && !({KNOWN})'
    f' || response.code_details == "request_rate_limited" && {DENIED}'
    f' || response.code_details == "lua_response" && {REFUSED}'
)


class Reply(NamedTuple):
    """What a client is told under a condition.  `shared`: the condition in a listener that serves others too, where
    only what Tollkeeper decided, and the model servers behind it, is ours to word; None: nothing is."""

    condition: str
    shared: str | None
    fault: Fault


# The first whose condition holds.
REPLIES = (
    Reply(
        'response.code_details in ["ext_authz_error", "rate_limiter_error"]',
        f'response.code_details == "ext_authz_error" && {GUARDED} && !({KNOWN})'
        f' || response.code_details == "rate_limiter_error" && {KNOWN} && !({DECIDED})',
        Fault(
            503,
            "The request could not be checked because Tollkeeper does not answer",
            "server_error",
            "tollkeeper_unavailable",
            wait_ms=SOON_MS,
        ),
    ),
    Reply(
        'response.code_details == "request_payload_too_large"',
        f'response.code_details == "request_payload_too_large" && {GUARDED}',
        Fault(
            413,
            "The request body is larger than 32 MiB, or than 4 MiB without a content-length",
            "invalid_request_error",
            "request_too_large",
        ),
    ),
    Reply(
        'response.code_details == "overload"',
        None,
        Fault(
            503,
            "The service has too little memory left at the moment",
            "server_error",
            "overloaded",
            wait_ms=SOON_MS,
        ),
    ),
    Reply(
        'response.code_details == "upgrade_failed"',
        None,
        Fault(
            403,
            "Websockets (realtime sessions) and CONNECT are not served: what passes through them could not be counted",
            "permission_error",
            "upgrade_refused",
        ),
    ),
    Reply("response.code == 404", None, Fault(404, "No route leads there", "invalid_request_error", "unknown_url")),
    Reply(
        "response.code == 504",
        f"response.code == 504 && {DECIDED} && {NO_ANSWER}",
        Fault(504, "The model server did not answer in time", "server_error", "upstream_timeout"),
    ),
    Reply(
        "response.code in [502, 503]",
        f"response.code in [502, 503] && {DECIDED} && {NO_ANSWER}",
        Fault(503, "The model server cannot be reached", "server_error", "upstream_unavailable", wait_ms=SOON_MS),
    ),
    Reply("response.code >= 500", None, Fault(500, f"The request failed: {DETAILS}", "server_error", "proxy_error")),
    Reply(
        "response.code >= 400",
        None,
        Fault(400, f"The request was refused: {DETAILS}", "invalid_request_error", "bad_request"),
    ),
)


def mappers(shared: bool = False) -> Iterator[str]:
    """The lines of YAML; an API's mapper stands ahead of the one for all others.  `shared`: see Reply."""
    for reply in REPLIES:
        condition = reply.shared if shared else reply.condition
        if condition is None:
            continue
        for api, pattern in PATTERNS.items():
            called = f"request.url_path.matches('(?i){pattern}')"
            if api is Api.MCP:
                called = f"({called} || {TO_A_SERVER})"
            yield from _mapper(f"({condition}) && {called}", reply.fault, api)
        yield from _mapper(condition, reply.fault, Api.OPENAI)


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
    if api is Api.MCP:
        shape["id"] = RPC_ID
    return shape


def _retry(fault: Fault) -> tuple[Header, ...]:
    return () if fault.wait_ms is None else retry_headers(fault.wait_ms, fault.wait_ms)


def _headers(headers: Iterable[Header]) -> Iterator[str]:
    options = [f"{{header: {{key: {name}, value: {json.dumps(text)}}}}}" for name, text in headers]
    if options:
        yield f"  headers_to_add: [{', '.join(options)}]"
