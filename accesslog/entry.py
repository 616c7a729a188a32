"""What an access log entry says, in the same words whichever log brought it: stream (service.py) or file (file_log/).

Owns what is believed of an entry: names, ranges, which numbers count.  What a request is charged is decided in
usage.py.  Pure.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from accesslog.answer import PLAUSIBLE_MAX, Answer, Count, count, text
from ratelimit.tenants.estimates.estimate import NOT_TEXT
from ratelimit.tenants.sealed import object_of
from tenancy.values.lease_id import is_lease_id

AUTHZ_NAMESPACE = "envoy.filters.http.ext_authz"
DECISION_NAMESPACE = "envoy.filters.http.ratelimit"
USAGE_NAMESPACE = "tollkeeper"

# response_flags of a client that left: its connection ended, or it reset the stream.
LEFT_FLAGS = frozenset({"DC", "DR"})
# Response flags of an answer that was cut: by the model server (its connection ended, it reset the stream, it broke the
# protocol), or by Envoy (one of its timeouts, a reset).
CUT_FLAGS = frozenset({"UC", "UR", "UPE", "UT", "SI", "DT", "UMSDR", "LR"})
# Of those, Envoy's own: it gave up on a model server that was still at work.
GIVEN_UP_FLAGS = frozenset({"UPE", "UT", "SI", "DT", "UMSDR"})

_STREAMS = frozenset(
    {"text/event-stream", "application/x-ndjson", "application/jsonl", "application/vnd.amazon.eventstream"}
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class Undecided(Struct, frozen=True, gc=False):
    """Under which id authz let a request go on, and of which tenant: what ratelimit began for it has that id, also if
    its answer never reached Envoy."""

    lease_id: str
    tenant_id: str
    seal: str = ""


UNDECIDED_FIELDS = Undecided.__struct_fields__


class Decision(Struct, frozen=True, gc=False):
    """What ratelimit said about the request, under the names that it said it by.  `denied` is "" or the status that it
    meant, `limit` the one that bound.  `limits` is the text from which a request without a lease is charged.  `kind` is
    what the route does, "" for one that generates; `images`: how many it is to make; `reason`: why it was refused, if
    by no limit; `uncorrected`: the estimate of an input of text alone before it was corrected, 0 if it was not,
    NOT_TEXT for another input; `alias`: the name by which the model was asked for, if that was not its own;
    `rpc_method`, `tool`: what was called of an MCP server; `cache_percent`: how much of a kept answer is charged;
    `script`: of the text in its input; `log`: whether one of the logs is to tell of it alone (file_log/alone.py)."""

    lease_id: str
    tenant_id: str
    key_id: str = ""
    user_id: str = ""
    end_user_id: str = ""
    model: str = ""
    admission: str = ""
    reserved_tokens: Count = 0
    input_estimate: Count = 0
    output_cap: Count = 0
    inference: bool = False
    queue_ms: Count = 0
    denied: str = ""
    limit: str = ""
    limits: str = ""
    kind: str = ""
    images: Count = 0
    reason: str = ""
    uncorrected: Annotated[int, Meta(ge=NOT_TEXT, le=PLAUSIBLE_MAX)] = 0
    seal: str = ""
    alias: str = ""
    rpc_method: str = ""
    tool: str = ""
    cache_percent: Count = 0
    script: str = ""
    log: str = ""

    @property
    def text_estimate(self) -> int:
        """Of an input of text alone, before it was corrected; 0 for another input."""
        return max(self.uncorrected or self.input_estimate, 0)


DECISION_FIELDS = Decision.__struct_fields__
_decision = msgspec.json.Decoder(Decision).decode


class LogEntry(Struct, frozen=True):
    """One finished request.  `status` 0: no answer was begun; `ttft_ms` None: the upstream sent nothing; `aborted`: the
    client left, or an answer that had begun was cut; `media`: the answer's content type without parameters;
    `given_up`: Envoy answered in place of a model server that took too long, or whose answer it could not take;
    `undecided`: set if something was begun under another id than the decision's.  `traceparent`: W3C's; `started_ns`:
    since 1970, of the stream alone, for telemetry; "" and 0: not known.  `said`: the text of the decision with its
    seal; "": Envoy was told each field by itself."""

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
    said: str = ""


def lease_id_of(entry: LogEntry | Undecided) -> str:
    """The lease id under which the request was begun."""
    return entry.lease_id if isinstance(entry, Undecided) else entry.decision.lease_id


def undecided_of(metadata: Mapping[str, object], decision: Decision | None) -> Undecided | None:
    """What authz said of the request, unless the decision has the same id and so ends it."""
    lease_id, tenant_id = metadata.get("lease_id"), text(metadata.get("tenant_id"))
    if not isinstance(lease_id, str) or not is_lease_id(lease_id) or not tenant_id:
        return None
    if decision is not None and decision.lease_id == lease_id:
        return None
    return Undecided(lease_id, tenant_id, text(metadata.get("seal")))


def decision_of(metadata: Mapping[str, object]) -> Decision | None:
    """The decision in ratelimit's metadata; None if there is none: then there is nothing to account for."""
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
        NOT_TEXT if get("uncorrected") == NOT_TEXT else count(get("uncorrected")),
        text(get("seal")),
        text(get("alias")),
        text(get("rpc_method")),
        text(get("tool")),
        count(get("cache_percent")),
        text(get("script")),
        text(get("log")),
    )


def decision_in(said: str) -> Decision | None:
    """The decision in a text of ratelimit's; None if there is none, or it cannot be read."""
    data = object_of(said)
    try:
        found = _decision(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # a count that nobody would believe, if it is ratelimit's
        return _odd_decision_in(data)
    return found if is_lease_id(found.lease_id) and found.tenant_id else None


def _odd_decision_in(data: bytes) -> Decision | None:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return decision_of(fields) if isinstance(fields, dict) else None


@lru_cache(1024)
def media_of(content_type: str) -> str:
    """`content_type` without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_streamed(media: str, asked: str) -> bool:
    """Whether the answer is (or, if none was begun, would have been) a stream of events.  `asked`: what the meter says
    of `stream` in the request."""
    return media in _STREAMS if media else asked == "true"


def is_aborted(flags: Iterable[str], status: int) -> bool:
    """Whether the client left or the answer was cut.  An answer of Envoy's own that reports the cut was not cut
    itself."""
    return not LEFT_FLAGS.isdisjoint(flags) or (status < 400 and not CUT_FLAGS.isdisjoint(flags))


def is_given_up(flags: Iterable[str], status: int) -> bool:
    """Whether Envoy answered with a failure of its own while the model server was at work."""
    return status >= 400 and not GIVEN_UP_FLAGS.isdisjoint(flags)


def method_of(name: str) -> str:
    """The methods that the access log stream has a value for; one word for all others."""
    return name if name in _METHODS else "OTHER"
