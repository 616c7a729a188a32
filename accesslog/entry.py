"""What an access log entry says, in the same words whichever log brought it: stream (service.py) or file (line.py).

Owns what is believed of an entry: names, ranges, which numbers count.  What a request is charged is decided in
usage.py.  Pure.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ratelimit.lease_id import is_lease_id

DECISION_NAMESPACE = "envoy.filters.http.ratelimit"
USAGE_NAMESPACE = "tollkeeper"

# The counts that model servers report, under the names that Envoy's rules give them.
TOKEN_NAMES = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_cached_tokens",
        "input_cached_tokens",
        "completion_reasoning_tokens",
        "output_reasoning_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    }
)
# A million times the longest context of any model: what is beyond is an error of the server, not a count.
PLAUSIBLE_MAX = 10**12
# response_flags of a client that left: its connection ended, or it reset the stream.
ABORTED_FLAGS = frozenset({"DC", "DR"})

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class Decision(NamedTuple):
    """What ratelimit said about the request.  `denied` is "" or the status that it meant, `limit` the one that bound.
    `limits` is the text from which a request without a lease is charged."""

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


DECISION_FIELDS = Decision._fields


class LogEntry(NamedTuple):
    """One finished request.  `usage` holds only what can be believed; `status` 0: no answer was begun; `ttft_ms` None:
    the upstream sent nothing."""

    decision: Decision
    usage: Mapping[str, int]
    request_id: str
    method: str
    path: str
    status: int
    streamed: bool
    aborted: bool
    bytes_in: int
    bytes_out: int
    total_ms: int
    ttft_ms: int | None


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
    )


def token_counts(metadata: Mapping[str, object]) -> dict[str, int]:
    """The token counts in `metadata`; none at all if one of them is no count, since then none can be trusted."""
    usage = {}
    for name, value in metadata.items():
        if name in TOKEN_NAMES and value is not None:
            number = _count(value)
            if number is None:
                return {}
            usage[name] = number
    return usage


def is_streamed(content_type: str, metadata: Mapping[str, object]) -> bool:
    """Whether the answer is (or, if none was begun, would have been) a stream of events."""
    if content_type:
        return content_type.lower().startswith("text/event-stream")
    return metadata.get("stream") == "true"


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
