"""One line of Envoy's JSON file access log as a LogEntry.  Pure; which lines are read, and when, is decided in
backfill.py."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from accesslog.entry import (
    LogEntry,
    Undecided,
    answer_of,
    count,
    decision_of,
    is_aborted,
    is_given_up,
    is_streamed,
    media_of,
    method_of,
    text,
    undecided_of,
)
from accesslog.trace_context import MAX_TRACEPARENT

# Inside a JSON string the quotes would be escaped, so nothing that a client sends can look like this.
_LEASE_ID = re.compile(rb'"lease_id"\s*:\s*"([0-9a-f-]{36})"')
_BEGUN = re.compile(rb'"begun"\s*:\s*"([0-9a-f-]{36})"')
_ALONE = re.compile(rb'"log"\s*:\s*"file"')  # what ratelimit said, as alone.py has it
_STARTED = re.compile(rb'"start_time"\s*:\s*"([0-9TZ:.-]{20,30})"')
_LASTED = re.compile(rb'"total_ms"\s*:\s*([0-9]{1,12})\b')
# Only the line of the request's end: an operator may have switched on those of its start and of its course.
_ENDS = frozenset({"", "NotSet", "DownstreamEnd"})
_decode = msgspec.json.Decoder().decode


class Garbage(ValueError):
    """The line is not one that Envoy wrote."""


def find_lease_id(line: bytes) -> str | None:
    """The lease id of the line, without parsing it: of what was decided or, if nothing was, begun."""
    found = _LEASE_ID.search(line) or _BEGUN.search(line)
    return found[1].decode() if found else None


def stands_alone(line: bytes) -> bool:
    """Whether no stream will bring the request of the line."""
    return _ALONE.search(line) is not None


def ended_at(line: bytes) -> float | None:
    """When the request of the line ended, in s since 1970, without parsing it; None if that cannot be read."""
    started, lasted = _STARTED.search(line), _LASTED.search(line)
    if started is None or lasted is None:
        return None
    try:
        return datetime.fromisoformat(started[1].decode()).timestamp() + int(lasted[1]) / 1000
    except (ValueError, OverflowError):
        return None


def read_line(line: bytes) -> LogEntry | Undecided | None:
    """Undecided if no decision of ratelimit reached Envoy; None if authz did not let the request go on.  Garbage if the
    line cannot be read."""
    fields = _fields_of(line)
    if text(fields.get("type")) not in _ENDS:
        return None
    decision = decision_of(_mapping(fields.get("ratelimit")))
    said = {"lease_id": fields.get("begun"), "tenant_id": fields.get("tenant_id"), "seal": fields.get("begun_seal")}
    undecided = undecided_of(said, decision)
    if decision is None:
        return undecided
    usage = _mapping(fields.get("usage"))
    media, status = media_of(text(fields.get("content_type"))), count(fields.get("status"))
    flags = text(fields.get("response_flags")).split(",")
    return LogEntry(
        decision=decision,
        answer=answer_of(usage),
        request_id=text(fields.get("request_id")),
        method=method_of(text(fields.get("method"))),
        path=text(fields.get("path")).partition("?")[0],
        status=status,
        media=media,
        streamed=is_streamed(media, usage),
        aborted=is_aborted(flags, status),
        bytes_in=count(fields.get("bytes_in")),
        bytes_out=count(fields.get("bytes_out")),
        total_ms=count(fields.get("total_ms")),
        ttft_ms=count(fields["ttft_ms"]) if isinstance(fields.get("ttft_ms"), int | float) else None,
        given_up=is_given_up(flags, status),
        undecided=undecided,
        traceparent=text(fields.get("traceparent"))[:MAX_TRACEPARENT],
    )


def _fields_of(line: bytes) -> dict[str, Any]:
    """msgspec is five times as fast as the standard library, which reads what is odd: bytes that are no text."""
    try:
        fields = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            fields = json.loads(line.decode(errors="replace"))
        except (ValueError, RecursionError) as error:
            raise Garbage(str(error)) from error
    if not isinstance(fields, dict):
        raise Garbage("not an object")
    return fields


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
