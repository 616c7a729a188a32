"""One line of Envoy's JSON file access log as a LogEntry.  Pure; which lines are read, and when, is decided in
backfill.py."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from accesslog.answer import SEEN, Count, Metered, answer_as_seen, answer_of, count, text
from accesslog.entry import (
    Decision,
    LogEntry,
    Undecided,
    decision_of,
    is_aborted,
    is_given_up,
    is_streamed,
    media_of,
    method_of,
    undecided_of,
)
from accesslog.trace_context import MAX_TRACEPARENT
from tenancy.values.lease_id import is_lease_id

# Inside a JSON string the quotes would be escaped, so nothing that a client sends can look like this.
_LEASE_ID = re.compile(rb'"lease_id"\s*:\s*"([0-9a-f-]{36})"')
_BEGUN = re.compile(rb'"begun"\s*:\s*"([0-9a-f-]{36})"')
_ALONE = re.compile(rb'"log"\s*:\s*"file"')  # what ratelimit said, as alone.py has it
USUALLY_ALONE = b'"log":"file"'
_STARTED = re.compile(rb'"start_time"\s*:\s*"([0-9TZ:.-]{20,30})"')
_LASTED = re.compile(rb'"total_ms"\s*:\s*([0-9]{1,12})\b')
# Only the line of the request's end: an operator may have switched on those of its start and of its course.
_ENDS = frozenset({"", "NotSet", "DownstreamEnd"})
END = "DownstreamEnd"
NONE = b'"-"'  # a text of its own: within one the quotes would be escaped


class Garbage(ValueError):
    """The line is not one that Envoy wrote."""


class _Usual(msgspec.Struct, kw_only=True, gc=False):
    """What is read of a line, as it nearly always is.  In Envoy's order, in which it is read fastest."""

    begun: str | None = None
    bytes_in: Count
    bytes_out: Count
    content_type: str | None = None
    method: str
    path: str
    ratelimit: Decision
    request_id: str | None = None
    response_flags: str
    status: Count
    total_ms: Count
    traceparent: str | None = None
    ttft_ms: Count | None = None
    type: str
    usage: Metered


_decode = msgspec.json.Decoder().decode
_as_usual = msgspec.json.Decoder(_Usual).decode


def find_lease_id(line: bytes) -> str | None:
    """The lease id of the line, without parsing it: of what was decided or, if nothing was, begun."""
    found = _LEASE_ID.search(line) or _BEGUN.search(line)
    return found[1].decode() if found else None


def stands_alone(line: bytes) -> bool:
    """Whether no stream will bring the request of the line."""
    return USUALLY_ALONE in line or _ALONE.search(line) is not None


def ended_at(line: bytes) -> float | None:
    """When the request of the line ended, in s since 1970, without parsing it; None if that cannot be read."""
    started, lasted = _STARTED.search(line), _LASTED.search(line)
    if started is None or lasted is None:
        return None
    try:
        return datetime.fromisoformat(started[1].decode()).timestamp() + int(lasted[1]) / 1000
    except (ValueError, OverflowError):
        return None


def quickly_read(line: bytes) -> LogEntry | None:
    """The entry of a line that is as this version's Envoy configuration has it, of a request that was decided.  None
    for any other, which `read_line` reads."""
    try:
        said = _as_usual(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    decision, meter, flags, status = said.ratelimit, said.usage, said.response_flags, said.status
    seen = SEEN.match(meter.usage)
    if seen is None or said.type != END or said.begun not in (None, decision.lease_id):
        return None
    # A text that is `-` stands for none.
    if line.count(NONE) != (flags == "-") or not is_lease_id(decision.lease_id) or not decision.tenant_id:
        return None
    cut = None if flags == "-" else flags.split(",")
    media = media_of(said.content_type or "")
    return LogEntry(
        decision,
        answer_as_seen(meter, seen),
        said.request_id or "",
        method_of(said.method),
        said.path.partition("?")[0],
        status,
        media,
        is_streamed(media, meter.stream),
        cut is not None and is_aborted(cut, status),
        said.bytes_in,
        said.bytes_out,
        said.total_ms,
        said.ttft_ms,
        cut is not None and is_given_up(cut, status),
        None,
        said.traceparent[:MAX_TRACEPARENT] if said.traceparent else "",
    )


def read_line(line: bytes) -> LogEntry | Undecided | None:
    """Undecided if no decision of ratelimit reached Envoy; None if authz did not let the request go on.  Garbage if the
    line cannot be read."""
    return quickly_read(line) or read_any(line)


def read_any(line: bytes) -> LogEntry | Undecided | None:
    """The same, of lines of earlier versions and odd ones too, in which whatever is strange is left out."""
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
        streamed=is_streamed(media, text(usage.get("stream"))),
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
