"""One line of Envoy's JSON file access log as a LogEntry.  Pure; which lines are read, and when, is decided in
backfill.py."""

import json
import re
from collections.abc import Mapping

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

# Inside a JSON string the quotes would be escaped, so nothing that a client sends can look like this.
_LEASE_ID = re.compile(rb'"lease_id"\s*:\s*"([0-9a-f-]{36})"')
_BEGUN = re.compile(rb'"begun"\s*:\s*"([0-9a-f-]{36})"')
# Only the line of the request's end: an operator may have switched on those of its start and of its course.
_ENDS = frozenset({"", "NotSet", "DownstreamEnd"})


class Garbage(ValueError):
    """The line is not one that Envoy wrote."""


def find_lease_id(line: bytes) -> str | None:
    """The lease id of the line, without parsing it: of what was decided or, if nothing was, begun."""
    found = _LEASE_ID.search(line) or _BEGUN.search(line)
    return found[1].decode() if found else None


def read_line(line: bytes) -> LogEntry | Undecided | None:
    """Undecided if no decision of ratelimit reached Envoy; None if authz did not let the request go on.  Garbage if the
    line cannot be read."""
    try:
        fields = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise Garbage(str(error)) from error
    if not isinstance(fields, dict):
        raise Garbage("not an object")
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
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
