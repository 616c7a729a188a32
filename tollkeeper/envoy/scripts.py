"""The scripts of Envoy's Lua filters, each joined from small files in envoy/lua.

Owns which files, and their order.  Each file is a module that returns its table, and sees those ahead of it by name.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

GUARD, METER, FORWARD, UPSTREAM = "guard.lua", "meter.lua", "forward.lua", "upstream.lua"
MCP, MCP_UPSTREAM = "mcp.lua", "mcp_upstream.lua"
FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        GUARD: ("collector", "secrets", "client_error", "instance", "guard"),
        METER: (
            "collector", "digits", "bytes", "json", "shapes", "metering/sample", "metering/media",
            "fields", "secrets", "metering/asked", "metering/asked_told", "metering/asked_shapes", "metering/form",
            "metering/usage_option", "client_error", "sha256", "cache/canonical", "cache/cache_key", "metering/request",
            "metering/answer_fields", "metering/answer_text", "metering/answer_values", "metering/answer_scan",
            "metering/answer_found", "metering/answer_json", "metering/answer_shapes", "metering/answer_told",
            "metering/answer_frames", "metering/answer_sound", "cache/kept_copy", "metering/answer",
        ),
        FORWARD: ("json", "forwarding/rename", "client_error", "forwarding/forward"),
        UPSTREAM: ("json", "forwarding/rename", "forwarding/upstream"),
        MCP: (
            "collector", "bytes", "json", "fields", "secrets", "client_error", "mcp/message", "mcp/listed",
            "mcp/events", "mcp/filter",
        ),
        MCP_UPSTREAM: ("sha256", "mcp/hmac", "mcp/upstream"),
    }
)  # fmt: skip
# Of these each line runs once a request or an answer, most of them around calls of Envoy's functions, at which compiled
# code ends.  Compiled, that is long code which is read once and pushes out of the processor's caches what Envoy needs.
# What compares a text with known shapes and tells what is in it is compiled: it calls nothing of Envoy's.
INTERPRETED = frozenset(
    {
        "secrets", "client_error", "guard", "metering/request", "metering/usage_option", "cache/cache_key",
        "metering/answer_told", "cache/kept_copy", "metering/answer",
    }
)  # fmt: skip
HEADER = "-- Joined from envoy/lua by `tollkeeper envoy render`; see README.md.\n"


def join(script: str, directory: Path) -> str:
    return HEADER + "".join(_module(name, (directory / f"{name}.lua").read_text()) for name in FILES[script])


def _module(name: str, text: str) -> str:
    head = "if jit.status() then jit.off(true, true) end\n" if name in INTERPRETED else ""
    return f"\nlocal {name.rpartition('/')[2]} = (function()\n{head}{text}end)()\n"
