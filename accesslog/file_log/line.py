"""One line of Envoy's JSON file access log as a LogEntry.  Pure; which lines are read, and when, is decided in
backfill.py.

Envoy writes a text that is put together of several three to ten times as fast as one value, so what it says itself is
one text, and so is what the meter says; each text that somebody else chooses is a field of its own, or the last part of
one.  `-` stands for what is absent.
"""

import re
from datetime import datetime

import msgspec

from accesslog.answer import SEEN, Answer, answer_as_seen, answer_of
from accesslog.answer import text as _text
from accesslog.entry import (
    LogEntry,
    Undecided,
    decision_in,
    is_aborted,
    is_given_up,
    is_streamed,
    media_of,
    method_of,
    undecided_of,
)
from accesslog.file_log.earlier import ENDS, Garbage, fields_of, read_earlier
from accesslog.trace_context import MAX_TRACEPARENT

# Inside a JSON string the double quotes would be escaped, so nothing that a client sends can look like this; single
# quotes it may send, so what has those is looked for at its place only.
_SAID = rb'"decision":"[0-9a-f]* \{'
_LEASE_ID = re.compile(_SAID + rb"(?:'log':'file',)?'lease_id':'([0-9a-f-]{36})'")
_BEGUN = re.compile(rb'"begun":"([0-9a-f-]{36}) ')
_ALONE = re.compile(_SAID + rb"'log':'file'")
_ENDED = re.compile(rb'"ended":"\w+ ([0-9TZ:.-]{20,30}) \S+ \d+ \S+ \d+ \d+ (\d{1,12}) ')
# The same in lines of earlier versions.
_EARLIER_LEASE_ID = re.compile(rb'"lease_id"\s*:\s*"([0-9a-f-]{36})"')
_EARLIER_BEGUN = re.compile(rb'"begun"\s*:\s*"([0-9a-f-]{36})"')
_EARLIER_ALONE = re.compile(rb'"log"\s*:\s*"file"')
_EARLIER_STARTED = re.compile(rb'"start_time"\s*:\s*"([0-9TZ:.-]{20,30})"')
_EARLIER_LASTED = re.compile(rb'"total_ms"\s*:\s*([0-9]{1,12})\b')
ENDED_WORDS, METER_WORDS, BEGUN_WORDS = 9, 5, 3
NONE = "-"
MOST_DIGITS = 12


class _Line(msgspec.Struct, gc=False):
    """In Envoy's order, in which it is read fastest."""

    answer_file: str
    answer_id: str
    answer_model: str
    answer_status: str
    begun: str  # by authz: lease id, seal, tenant
    content_type: str
    decision: str
    ended: str  # type, start, protocol, status, flags, bytes in and out, ms in all and until the first byte
    method: str
    path: str
    request_id: str
    service_tier: str
    traceparent: str
    usage: str  # stream, background, how it ended, bytes of text, and what the meter has found


_line = msgspec.json.Decoder(_Line).decode


def find_lease_id(line: bytes) -> str | None:
    """The lease id of the line, without parsing it: of what was decided or, if nothing was, begun."""
    found = _LEASE_ID.search(line) or _EARLIER_LEASE_ID.search(line)
    found = found or _BEGUN.search(line) or _EARLIER_BEGUN.search(line)
    return found[1].decode() if found else None


def stands_alone(line: bytes) -> bool:
    """Whether no stream will bring the request of the line."""
    return _ALONE.search(line) is not None or _EARLIER_ALONE.search(line) is not None


def ended_at(line: bytes) -> float | None:
    """When the request of the line ended, in s since 1970, without parsing it; None if that cannot be read."""
    if found := _ENDED.search(line):
        started, lasted = found.groups()
    elif (start := _EARLIER_STARTED.search(line)) and (last := _EARLIER_LASTED.search(line)):
        started, lasted = start[1], last[1]
    else:
        return None
    try:
        return datetime.fromisoformat(started.decode()).timestamp() + int(lasted) / 1000
    except (ValueError, OverflowError):
        return None


def read_line(line: bytes) -> LogEntry | Undecided | None:
    """Undecided if no decision of ratelimit reached Envoy; None if authz did not let the request go on.  Garbage if the
    line cannot be read."""
    try:
        return _entry_of(_line(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_odd(line)


def _read_odd(line: bytes) -> LogEntry | Undecided | None:
    """Of an earlier version, or with what is no text: bytes, or halves of a pair."""
    fields = fields_of(line)
    if "ended" not in fields:
        return read_earlier(line)
    try:
        return _entry_of(msgspec.convert(fields, _Line))
    except msgspec.ValidationError as error:
        raise Garbage(str(error)) from error


def _entry_of(line: _Line) -> LogEntry | Undecided | None:
    words, meter = line.ended.split(" "), line.usage.split(" ", METER_WORDS - 1)
    if len(words) != ENDED_WORDS or len(meter) != METER_WORDS:
        raise Garbage("not the words of this version")
    if words[0] not in ENDS:
        return None
    decision = None if line.decision == NONE else decision_in(line.decision)
    undecided = None
    if decision is None or not line.begun.startswith(decision.lease_id):
        begun = line.begun.split(" ", BEGUN_WORDS - 1)
        undecided = undecided_of(dict(zip(("lease_id", "seal", "tenant_id"), begun, strict=False)), decision)
    if decision is None:
        return undecided
    _, _, _, said_status, flags, bytes_in, bytes_out, total_ms, ttft_ms = words
    status, media = _number(said_status), media_of(_text(line.content_type))
    cut = None if flags == NONE else flags.split(",")
    return LogEntry(
        decision,
        _answer_of(line, meter),
        _text(line.request_id),
        method_of(line.method),
        _text(line.path).partition("?")[0],
        status,
        media,
        is_streamed(media, meter[0]),
        cut is not None and is_aborted(cut, status),
        _number(bytes_in),
        _number(bytes_out),
        _number(total_ms),
        None if ttft_ms == NONE else _number(ttft_ms),
        cut is not None and is_given_up(cut, status),
        undecided,
        "" if line.traceparent == NONE else line.traceparent[:MAX_TRACEPARENT],
        0,
        line.decision,
    )


def _answer_of(line: _Line, meter: list[str]) -> Answer:
    _, background, ended, text_bytes, usage = meter
    seen = SEEN.match(usage)
    strings = line.answer_id, line.answer_status, line.answer_file, line.answer_model, line.service_tier
    if seen is not None:
        return answer_as_seen(usage, seen, _text(ended), background, *map(_text, strings))
    names = "answer_id", "answer_status", "answer_file", "answer_model", "service_tier"
    said = {"usage": usage, "ended": ended, "text_bytes": _number(text_bytes), "background": background}
    return answer_of({**said, **dict(zip(names, strings, strict=True))})


def _number(word: str) -> int:
    return int(word) if word.isdecimal() and len(word) <= MOST_DIGITS else 0
