"""One line of the file log as an Envoy with the files of an earlier version writes it: each field by itself, the
namespaces of ratelimit and of the meter as objects.  Pure.

Whatever is strange in it is left out.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from accesslog.answer import answer_of, count, text
from accesslog.entry import (
    LogEntry,
    Undecided,
    decision_in,
    decision_of,
    is_aborted,
    is_given_up,
    is_streamed,
    media_of,
    method_of,
    undecided_of,
)
from accesslog.trace_context import MAX_TRACEPARENT
from ratelimit.tenants.sealed import DECISION

# Only the line of the request's end: an operator may have switched on those of its start and of its course.
ENDS = frozenset({"", "NotSet", "DownstreamEnd"})

_decode = msgspec.json.Decoder().decode


class Garbage(ValueError):
    """The line is not one that Envoy wrote."""


def read_earlier(line: bytes) -> LogEntry | Undecided | None:
    """As `read_line` in line.py."""
    fields = fields_of(line)
    if text(fields.get("type")) not in ENDS:
        return None
    said = _mapping(fields.get("ratelimit"))
    whole = text(said.get(DECISION))
    decision = decision_in(whole) if whole else decision_of(said)
    begun = {"lease_id": fields.get("begun"), "tenant_id": fields.get("tenant_id"), "seal": fields.get("begun_seal")}
    undecided = undecided_of(begun, decision)
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
        said=whole,
    )


def fields_of(line: bytes) -> dict[str, Any]:
    """Garbage.  msgspec is five times as fast as the standard library, which reads what is odd: bytes that are no
    text."""
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
