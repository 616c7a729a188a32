"""W3C trace context: the caller's span that a request belongs to.  Pure."""

import re
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

# A later version is read as far as this one goes; `ff` is invalid.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
MAX_TRACEPARENT = 256  # characters; no more is read of a later version
_SAMPLED = 1
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class Context(NamedTuple):
    """`parent_id` b"": there is none."""

    trace_id: bytes
    parent_id: bytes
    sampled: bool


def context_of(traceparent: str, lease_id: str) -> Context:
    """Without a readable header the request begins a trace, whose id is its lease's."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is not None and not (found[1] == "00" and found[5]):
        trace_id, parent_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
        if trace_id != _NO_TRACE and parent_id != _NO_SPAN:
            return Context(trace_id, parent_id, bool(int(found[4], 16) & _SAMPLED))
    return Context(UUID(lease_id).bytes, b"", True)


def sampled_trace(traceparent: str, lease_id: str) -> str:
    """The id of the caller's trace if that is sampled, for exemplars; otherwise ""."""
    if not traceparent:
        return ""
    context = context_of(traceparent, lease_id)
    return context.trace_id.hex() if context.sampled and context.parent_id else ""


def span_id_of(lease_id: str) -> bytes:
    """The same id, whichever log brings the request."""
    return blake2b(lease_id.encode(), digest_size=8, person=b"tollkeeper.span").digest()
