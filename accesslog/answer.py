"""What the meter wrote of an answer (envoy/lua/metering/), and what is believed of it: which numbers count.  Pure.

How counts add up to tokens is report.py."""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from accesslog.report import read_counts
from ratelimit.tenants.sealed import MOST_COUNT

# What the meter says of an answer, and of its request: the last two.  `events`, `text_bytes` and `ended` by themselves
# are of a meter of the version before; the last also of an answer that could not be read.
METER_FIELDS = (
    "usage", "events", "text_bytes", "ended", "answer_id", "answer_status", "answer_file", "answer_model",
    "service_tier", "stream", "background",
)  # fmt: skip
# How its `usage` begins: events with text, bytes of it, how the answer ended.  What follows are counts by path.
SEEN = re.compile(r"(\d{1,15}),(\d{1,15}),([a-z]*)(?: |$)", re.ASCII)
_OF_ANSWER = "ended", "background", "answer_id", "answer_status", "answer_file", "answer_model", "service_tier"
# What the filters of the version before (json_to_metadata, sse_to_metadata) said, in the paths of the answer itself.
OLD_FIELDS = {
    "prompt_tokens": "usage.prompt_tokens",
    "completion_tokens": "usage.completion_tokens",
    "input_tokens": "usage.input_tokens",
    "output_tokens": "usage.output_tokens",
    "prompt_cached_tokens": "usage.prompt_tokens_details.cached_tokens",
    "input_cached_tokens": "usage.input_tokens_details.cached_tokens",
    "completion_reasoning_tokens": "usage.completion_tokens_details.reasoning_tokens",
    "output_reasoning_tokens": "usage.output_tokens_details.reasoning_tokens",
    "cache_read_input_tokens": "usage.cache_read_input_tokens",
    "cache_creation_input_tokens": "usage.cache_creation_input_tokens",
}
UNSEEN = "unseen"  # how an answer ended that such filters read: they reported, and saw nothing
UNREAD = "unread"  # one that the meter could not read, or not to its end
# A million times the longest context of any model: what is beyond is an error of the server, not a count.
PLAUSIBLE_MAX = MOST_COUNT
Count = Annotated[int, Meta(ge=0, le=PLAUSIBLE_MAX)]
MAX_TIER = 64  # characters


class Answer(Struct, frozen=True):
    """What the answer said.  `counts` by path, as in formats.py; `events` with text of `text_bytes`; `ended` is "" (not
    as far as is known), "done", "error", UNSEEN or UNREAD; `id` and `status` of a stored response or a batch;
    `background`: it may go on when the client has left.  Of a batch, `file` has the results and `model` made them.
    `service_tier` is the server's own word, in small letters."""

    counts: Mapping[str, int]
    events: int
    text_bytes: int
    ended: str
    id: str
    status: str
    background: bool
    file: str = ""
    model: str = ""
    service_tier: str = ""


def answer_as_seen(
    usage: str,
    seen: re.Match[str],
    ended: str,
    background: str,
    id_: str,
    status: str,
    file: str,
    model: str,
    service_tier: str,
) -> Answer:
    """`seen`: SEEN in what the meter of this version says of usage."""
    events, text_bytes, how = seen.groups()
    return Answer(
        read_counts(usage, PLAUSIBLE_MAX),
        _plausible(int(events)),
        _plausible(int(text_bytes)),
        ended or how,
        id_,
        status,
        background == "true",
        file,
        model,
        service_tier[:MAX_TIER].lower(),
    )


def answer_of(metadata: Mapping[str, object]) -> Answer:
    """What a meter of this version or the one before wrote."""
    get = metadata.get
    usage = text(get("usage"))
    if seen := SEEN.match(usage):
        return answer_as_seen(usage, seen, *(text(get(name)) for name in _OF_ANSWER))
    if get("usage") is None and not OLD_FIELDS.keys().isdisjoint(metadata):
        return Answer(_old_counts(metadata), 0, 0, UNSEEN, "", "", False)
    return Answer(
        read_counts(usage, PLAUSIBLE_MAX),
        count(get("events")),
        count(get("text_bytes")),
        text(get("ended")),
        text(get("answer_id")),
        text(get("answer_status")),
        get("background") == "true",
        text(get("answer_file")),
        text(get("answer_model")),
        text(get("service_tier"))[:MAX_TIER].lower(),
    )


def _old_counts(metadata: Mapping[str, object]) -> dict[str, int]:
    """None at all if one of them is no count, as that version had it."""
    found = {path: _count(metadata[name]) for name, path in OLD_FIELDS.items() if name in metadata}
    counts = {path: number for path, number in found.items() if number is not None}
    return counts if len(counts) == len(found) else {}


def _plausible(number: int) -> int:
    return number if number <= PLAUSIBLE_MAX else 0


def count(value: object) -> int:
    """`value` if it is a plausible count, else 0."""
    return _count(value) or 0


def text(value: object) -> str:
    """`value` if it is text; Envoy's file log writes "-" for what is absent."""
    return value if isinstance(value, str) and value != "-" else ""


def _count(value: object) -> int | None:
    """A bool is none, nor is NaN, of which no comparison is true."""
    if (type(value) is float or type(value) is int) and 0 <= value <= PLAUSIBLE_MAX:
        return int(value)
    return None
