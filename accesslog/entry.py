"""What an access log entry says, in the same words whichever log brought it: stream (service.py) or file (file_log/).

Owns what is believed of an entry: names, ranges, which numbers count.  What a request is charged is decided in
usage.py.  Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from accesslog.report import read_counts
from ratelimit.tenants.sealed import MOST_COUNT
from tenancy.values.lease_id import is_lease_id

AUTHZ_NAMESPACE = "envoy.filters.http.ext_authz"
DECISION_NAMESPACE = "envoy.filters.http.ratelimit"
USAGE_NAMESPACE = "tollkeeper"

# What the meter says of an answer, and of its request: the last two.  `events`, `text_bytes` and `ended` by themselves
# are of a meter of the version before; the last also of an answer that could not be read.
METER_FIELDS = (
    "usage", "events", "text_bytes", "ended", "answer_id", "answer_status", "answer_file", "answer_model",
    "service_tier", "stream", "background",
)  # fmt: skip
# How its `usage` begins: events with text, bytes of it, how the answer ended.  What follows are counts by path.
SEEN = re.compile(r"(\d{1,15}),(\d{1,15}),([a-z]*)(?: |$)", re.ASCII)
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
MAX_TIER = 64  # characters
# response_flags of a client that left: its connection ended, or it reset the stream.
LEFT_FLAGS = frozenset({"DC", "DR"})
# Of an answer that was cut: by the model server (its connection ended, it reset the stream, it broke the protocol), or
# by Envoy (one of its timeouts, a reset).
CUT_FLAGS = frozenset({"UC", "UR", "UPE", "UT", "SI", "DT", "UMSDR", "LR"})
# Of those, Envoy's own: it gave up on a model server that was at work.
GIVEN_UP_FLAGS = frozenset({"UPE", "UT", "SI", "DT", "UMSDR"})

_STREAMS = frozenset(
    {"text/event-stream", "application/x-ndjson", "application/jsonl", "application/vnd.amazon.eventstream"}
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class Undecided(NamedTuple):
    """Under which id authz let a request go on, and of which tenant: what ratelimit began for it has that id, also if
    its answer never reached Envoy."""

    lease_id: str
    tenant_id: str
    seal: str = ""


UNDECIDED_FIELDS = Undecided._fields


class Decision(NamedTuple):
    """What ratelimit said about the request.  `denied` is "" or the status that it meant, `limit` the one that bound.
    `limits` is the text from which a request without a lease is charged.  `kind` is what the route does, "" for one
    that generates; `images`: how many it is to make; `reason`: why it was refused, if by no limit; `uncorrected`: the
    estimate of an input of text alone before it was corrected, 0 for another; `alias`: the name by which the model was
    asked for, if that was not its own; `rpc_method`, `tool`: what was called of an MCP server; `cache_percent`: how
    much of a kept answer is charged; `script`: of the text in its input."""

    lease_id: str
    tenant_id: str
    key_id: str
    user_id: str
    end_user_id: str
    model: str
    admission: str
    reserved_tokens: int
    input_estimate: int
    output_cap: int
    inference: bool
    queue_ms: int
    denied: str
    limit: str
    limits: str
    kind: str = ""
    images: int = 0
    reason: str = ""
    uncorrected: int = 0
    seal: str = ""
    alias: str = ""
    rpc_method: str = ""
    tool: str = ""
    cache_percent: int = 0
    script: str = ""


DECISION_FIELDS = Decision._fields


class Answer(NamedTuple):
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


class LogEntry(NamedTuple):
    """One finished request.  `status` 0: no answer was begun; `ttft_ms` None: the upstream sent nothing; `aborted`: the
    client left, or an answer that had begun was cut; `media`: the answer's content type without parameters;
    `given_up`: Envoy answered in place of a model server that took too long, or whose answer it could not take;
    `undecided`: set if something was begun under another id than the decision's.  `traceparent`: W3C's; `started_ns`:
    since 1970, of the stream alone, for telemetry; "" and 0: not known."""

    decision: Decision
    answer: Answer
    request_id: str
    method: str
    path: str
    status: int
    media: str
    streamed: bool
    aborted: bool
    bytes_in: int
    bytes_out: int
    total_ms: int
    ttft_ms: int | None
    given_up: bool = False
    undecided: Undecided | None = None
    traceparent: str = ""
    started_ns: int = 0


def lease_id_of(entry: LogEntry | Undecided) -> str:
    """Under which the request was begun."""
    return entry.lease_id if isinstance(entry, Undecided) else entry.decision.lease_id


def undecided_of(metadata: Mapping[str, object], decision: Decision | None) -> Undecided | None:
    """What authz said of the request, unless the decision is under the same id and so ends it."""
    lease_id, tenant_id = metadata.get("lease_id"), text(metadata.get("tenant_id"))
    if not isinstance(lease_id, str) or not is_lease_id(lease_id) or not tenant_id:
        return None
    if decision is not None and decision.lease_id == lease_id:
        return None
    return Undecided(lease_id, tenant_id, text(metadata.get("seal")))


def decision_of(metadata: Mapping[str, object]) -> Decision | None:
    """The decision in the metadata of ratelimit; None if there is none, so that there is nothing to account for."""
    get = metadata.get
    lease_id, tenant_id = get("lease_id"), text(get("tenant_id"))
    if not isinstance(lease_id, str) or not is_lease_id(lease_id) or not tenant_id:
        return None
    return Decision(
        lease_id,
        tenant_id,
        text(get("key_id")),
        text(get("user_id")),
        text(get("end_user_id")),
        text(get("model")),
        text(get("admission")),
        count(get("reserved_tokens")),
        count(get("input_estimate")),
        count(get("output_cap")),
        get("inference") is True,
        count(get("queue_ms")),
        text(get("denied")),
        text(get("limit")),
        text(get("limits")),
        text(get("kind")),
        count(get("images")),
        text(get("reason")),
        count(get("uncorrected", get("input_estimate"))),
        text(get("seal")),
        text(get("alias")),
        text(get("rpc_method")),
        text(get("tool")),
        count(get("cache_percent")),
        text(get("script")),
    )


def answer_of(metadata: Mapping[str, object]) -> Answer:
    """What the meter wrote."""
    get = metadata.get
    counts = get("usage")
    if isinstance(counts, str) and (seen := SEEN.match(counts)):
        events, text_bytes, ended = count(int(seen[1])), count(int(seen[2])), seen[3]
    else:
        events, text_bytes, ended = count(get("events")), count(get("text_bytes")), ""
    if counts is None and not OLD_FIELDS.keys().isdisjoint(metadata):
        return Answer(_old_counts(metadata), 0, 0, UNSEEN, "", "", False)
    return Answer(
        read_counts(counts, PLAUSIBLE_MAX) if isinstance(counts, str) else {},
        events,
        text_bytes,
        text(get("ended")) or ended,
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


def media_of(content_type: str) -> str:
    """`content_type` without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_streamed(media: str, metadata: Mapping[str, object]) -> bool:
    """Whether the answer is (or, if none was begun, would have been) a stream of events."""
    return media in _STREAMS if media else metadata.get("stream") == "true"


def is_aborted(flags: Iterable[str], status: int) -> bool:
    """An answer of Envoy's own, which tells of the cut, is none that was cut."""
    return not LEFT_FLAGS.isdisjoint(flags) or (status < 400 and not CUT_FLAGS.isdisjoint(flags))


def is_given_up(flags: Iterable[str], status: int) -> bool:
    """Whether Envoy answered with a failure of its own while the model server was at work."""
    return status >= 400 and not GIVEN_UP_FLAGS.isdisjoint(flags)


def method_of(name: str) -> str:
    """The methods that the access log stream has a value for; one word for all others."""
    return name if name in _METHODS else "OTHER"


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
