"""The meter's script: one file for Envoy's Lua filter, joined from the small ones in envoy/lua.

Owns the order alone.  Each file is a module that returns its table, and sees those ahead of it by name.
"""

from pathlib import Path

METER = "meter.lua"
REQUEST = ("bytes", "json", "sample", "media", "fields", "asked", "form", "usage_option", "client_error", "request")
ANSWER = ("answer_fields", "answer_text", "answer_json", "answer_found", "answer_frames", "answer")
HEADER = "-- Joined from envoy/lua by `tollkeeper envoy render`; see README.md.\n"


def join(directory: Path) -> str:
    return HEADER + "".join(_module(name, (directory / f"{name}.lua").read_text()) for name in REQUEST + ANSWER)


def _module(name: str, text: str) -> str:
    return f"\nlocal {name} = (function()\n{text}end)()\n"
