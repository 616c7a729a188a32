"""W3C trace context: which span of somebody's a request belongs to.  Pure."""

import re
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

# Of a version that is not known yet, what this one has is read; `ff` is none.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
MAX_TRACEPARENT = 256  # characters; of a later version no more is read than of this one
_SAMPLED = 1
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class Context(NamedTuple):
    """`parent_id` b"": there is none."""

    trace_id: bytes
    parent_id: bytes
    sampled: bool


def context_of(traceparent: str, lease_id: str) -> Context:
    """Without a header that can be read the request begins a trace, whose id is its lease's."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is not None and not (found[1] == "00" and found[5]):
        trace_id, parent_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
        if trace_id != _NO_TRACE and parent_id != _NO_SPAN:
            return Context(trace_id, parent_id, bool(int(found[4], 16) & _SAMPLED))
    return Context(UUID(lease_id).bytes, b"", True)


def sampled_trace(traceparent: str, lease_id: str) -> str:
    """The id of somebody's trace that is kept, as exemplars have it; "" if there is none."""
    if not traceparent:
        return ""
    context = context_of(traceparent, lease_id)
    return context.trace_id.hex() if context.sampled and context.parent_id else ""


def span_id_of(lease_id: str) -> bytes:
    """The same whichever log brings the request."""
    return blake2b(lease_id.encode(), digest_size=8, person=b"tollkeeper.span").digest()
