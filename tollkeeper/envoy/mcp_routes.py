"""What leads to MCP servers in Envoy: routes for their path, and the filters that are made for it alone.  Pure."""

import json
import re
from collections.abc import Sequence
from typing import Any

Fields = dict[str, Any]

NAME, SESSIONS, METER = "tollkeeper.mcp", "tollkeeper.mcp_sessions", "tollkeeper.meter"
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
SWITCH = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
STATEFUL = "type.googleapis.com/envoy.extensions.filters.http.stateful_session.v3"
ENVELOPE = "type.googleapis.com/envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState"
NOWHERE = "tollkeeper_nowhere"
SESSION_HEADER = "mcp-session-id"
# Of a request that no endpoint has taken.
RETRY_ON = "connect-failure,refused-stream,reset-before-request"
LOOPBACK = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
IDLE = "3600s"  # a stream on which a server has nothing to tell; one whose client is gone ends with its connection


def blocks(served: bool, script: str, origins: Sequence[str]) -> dict[str, list[str]]:
    """Of envoy.yaml; `served`: whether there is a file of clusters.  `origins`: of web pages that may call."""
    if not served:
        return {"mcp.route": [], "mcp.filter": [], "mcp.sessions": [], "mcp.cluster": []}
    return {
        "mcp.route": routes(origins),
        "mcp.filter": message_filter(script),
        "mcp.sessions": sessions_filter(),
        "mcp.cluster": [f"- name: {NOWHERE}", "  type: STATIC", "  connect_timeout: 1s"],
    }


def routes(origins: Sequence[str]) -> list[str]:
    """Ahead of all others.  Calls from web pages of other origins are refused, as the protocol wants it.  The next is
    found once ratelimit has said where the request goes.  The last leads to a cluster without endpoints: of a direct
    response, or a cluster that is not there, ratelimit would not be asked."""
    filters = [f"    {name}: {json.dumps(config)}" for name, config in _filters().items()]
    return [
        *_strangers(origins),
        "# MCP servers. A stream lasts for as long as its client stays.",
        "- match:",
        "    prefix: /mcp/",
        "    headers: [{name: x-tollkeeper-cluster, present_match: true}]",
        "    dynamic_metadata:",
        "    - {filter: envoy.filters.http.ratelimit, path: [{key: mcp}], value: {bool_match: true}}",
        "  route:",
        "    cluster_header: x-tollkeeper-cluster",
        "    timeout: 0s",
        f"    idle_timeout: {IDLE}",
        f"    retry_policy: {{retry_on: '{RETRY_ON}', num_retries: 0}}",
        "  typed_per_filter_config:",
        *filters,
        "- match: {prefix: /mcp/}",
        f"  route: {{cluster: {NOWHERE}}}",
        "  typed_per_filter_config:",
        *filters,
    ]


def _strangers(origins: Sequence[str]) -> list[str]:
    """What calls from a web page of another origin than these, or this machine's own, gets."""
    if "*" in origins:
        return []
    known = "|".join([LOOPBACK, *map(re.escape, origins)])
    return [
        "- match:",
        "    prefix: /mcp/",
        "    headers:",
        "    - {name: origin, present_match: true}",
        f"    - {{name: origin, string_match: {{safe_regex: {{regex: {json.dumps(known)}}}}}, invert_match: true}}",
        "  direct_response: {status: 403}",
    ]


def _filters() -> dict[str, Fields]:
    """By name, what those of the chain do on these routes."""
    state = {"name": "envoy.http.stateful_session.envelope", "typed_config": _envelope()}
    return {
        METER: {"@type": SWITCH, "disabled": True},
        NAME: {"@type": SWITCH, "config": {}},
        SESSIONS: {"@type": f"{STATEFUL}.StatefulSessionPerRoute", "stateful_session": {"session_state": state}},
    }


def _envelope() -> Fields:
    return {"@type": ENVELOPE, "header": {"name": SESSION_HEADER}}


def message_filter(script: str) -> list[str]:
    """In the place of the meter."""
    config = {"@type": LUA, "default_source_code": {"filename": script}}
    return [f"- name: {NAME}", "  disabled: true", f"  typed_config: {json.dumps(config)}"]


def among(http_filters: str, script: str) -> str:
    """The list of filters that an existing Envoy includes, with ours behind the meter."""
    before, mark, behind = http_filters.partition("- name: tollkeeper.decompressor\n")
    return before + "\n".join([*message_filter(script), ""]) + mark + behind


def sessions_filter() -> list[str]:
    """Nearest to the router: a session stays with the endpoint that its id was made by."""
    return [
        f"- name: {SESSIONS}",
        "  disabled: true",
        f'  typed_config: {{"@type": {STATEFUL}.StatefulSession}}',
    ]
